"""Exercises of notebook 07: a text encoder, and a GAN that follows sentences."""
