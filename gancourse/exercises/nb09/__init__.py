"""Exercises of notebook 09: CycleGAN's block, its patches, its costs, its pool; a recall."""
