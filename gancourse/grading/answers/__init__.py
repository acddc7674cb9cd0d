"""Reading notebooks, and collecting the answers that are in them."""
