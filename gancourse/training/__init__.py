"""One training run: the loop, its checkpoints, the players, and what can be read off a run."""
