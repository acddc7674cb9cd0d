"""Exercises of notebook 06: pyramids, the networks of a level, the sampling chain, neighbours."""
