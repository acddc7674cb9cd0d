"""Exercises of notebook 10: tricks, measures, and (in nb10_doctor) the training doctor."""
