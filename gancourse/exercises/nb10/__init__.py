"""Exercises of notebook 10: tricks, metrics, and the diagnosis of a run."""
