"""Exercises of notebook 02: the minimax game, its optimum, its training step, mode collapse."""
