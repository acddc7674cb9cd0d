"""Training: the loop, checkpoints, players, saved networks, and diagnosis of a run."""
