"""Reading notebooks, and collecting the answers in them."""
