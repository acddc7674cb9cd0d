"""Exercises of notebook 05: conditional GANs, for labels and for tags."""
