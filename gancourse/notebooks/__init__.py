"""Notebooks are built from their sources, executed, checked and measured here."""
