"""A class: collected, graded by workers, and kept in a gradebook."""
