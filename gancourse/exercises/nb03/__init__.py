"""Exercises of notebook 03: DCGAN, layer by layer, and what its training needs."""
