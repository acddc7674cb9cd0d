"""Tools for those who write and teach the course: build, run and grade.

``build`` makes both versions of every notebook from one source, ``lint`` says what departs from the
conventions, ``handbook`` writes the page of exercises, ``runner`` executes notebooks without a
browser. They need the ``lab`` extra.

Grading needs ``instructor``. ``collect`` says who handed in what, ``submission`` reads it; a
``sandbox`` runs it, ``judge`` compares; ``gradebook`` keeps it (``tables``, ``records``,
``owners``), ``grade`` and ``workers`` do it for a whole class; ``feedback``, ``summary``,
``similarity``, ``report`` and ``exports`` say what came of it. ``preview`` is the student's check.
"""
