"""Data sets: embedded ones that need no internet, your own pictures, and checked downloads."""
