"""Exercises of notebook 08: measuring and the networks; `nb08_losses` has the second half."""
