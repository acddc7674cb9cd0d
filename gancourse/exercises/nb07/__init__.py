"""Exercises of notebook 07: reading sentences, and making a GAN obey them."""
