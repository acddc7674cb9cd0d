"""Exercises of notebook 05: telling a GAN what to draw, and reading what it says."""
