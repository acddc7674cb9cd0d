"""Exercises of notebook 11: a loop of your own, augmentation, the modern baseline."""
