"""Exercises of notebook 04: walking in noise space, and looking inside both networks."""
