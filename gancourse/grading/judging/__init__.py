"""One submission: what it answers, whose work it seems to be, and the marks it earns."""
