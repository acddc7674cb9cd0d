"""Numbers that say how good samples, images and retrieval are."""
