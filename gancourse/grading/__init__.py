"""Tools for those who write and teach the course: build, run and grade.

``notebooks`` makes both versions of every notebook from one source, checks, executes and measures
them; it needs the ``lab`` extra. Grading needs ``instructor``: ``grading`` collects what a class
handed in and keeps it in a gradebook; for each submission ``judging`` reads it, has it run in a
``sandbox``, and compares; ``reports`` says what came of it. One way only: ``reports`` and
``grading`` build on ``judging``, and that on ``sandbox``.
"""
