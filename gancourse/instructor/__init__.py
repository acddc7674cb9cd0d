"""Tools for those who write and teach the course: build, run, and (later) grade.

``build`` makes both versions of every notebook from one source, ``lint`` says what departs from the
conventions, ``runner`` executes notebooks without a browser. They need the ``lab`` extra.
"""
