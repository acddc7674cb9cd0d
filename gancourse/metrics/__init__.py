"""Metrics of samples, of images against a reference, and of retrieval."""
