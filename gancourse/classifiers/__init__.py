"""Classifiers: the digit judge that the course trains, and networks pretrained on ImageNet."""
