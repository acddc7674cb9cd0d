"""Notebooks made from their sources, executed, checked, and measured."""
