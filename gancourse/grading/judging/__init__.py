"""One submission: the marks it earns, and flags for the instructor."""
