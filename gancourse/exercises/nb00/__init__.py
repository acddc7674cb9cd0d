"""Exercises of notebook 00: the three conventions that every later notebook relies on."""
