"""One submission: the marks it earns, and signs that an answer is not the student's own."""
