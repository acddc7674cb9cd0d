"""Exercises of notebook 01, adversarial examples.

Their questions are in ``nb01_cases``, wrong and other right answers in ``nb01_answers``.
"""
