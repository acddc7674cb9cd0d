"""Reading and grading the exercises in notebooks, for students and instructors.

``answers`` reads a notebook and collects its answers: `gancourse check` needs no more. For
`gancourse grade` (extra ``instructor``), ``sandbox`` does the same with untrusted notebooks,
``judging`` makes marks from what was observed, ``gradebook`` saves those of a class, and
``reports`` writes feedback and tables. Each folder imports only the ones before it.
"""
