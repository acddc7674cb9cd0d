"""Exercises of notebook 03: DCGAN, layer by layer, and what keeps its training alive."""
