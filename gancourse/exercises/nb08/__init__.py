"""Exercises of notebook 08: SRGAN, its networks and losses, and metrics of images."""
