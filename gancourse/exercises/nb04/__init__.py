"""Exercises of notebook 04: latent space, and probes of a generator and a discriminator."""
