"""Measured tables that the package ships, each written by a script in ``benchmarks``."""
