"""Exercises of notebook 01: gradients of images, attacks in two norms, accuracy under attack."""
