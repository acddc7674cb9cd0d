"""Exercises of notebook 09: CycleGAN's networks, losses and image pool; recall."""
