"""Exercises of notebook 09: CycleGAN's block, losses and receptive field; recall."""
