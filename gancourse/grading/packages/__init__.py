"""Packages for systems where students hand in: Gradescope's autograder, GitHub Classroom."""
