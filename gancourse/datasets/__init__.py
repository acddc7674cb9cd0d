"""Data sets: embedded ones that need no internet, your own images, and checked downloads."""
