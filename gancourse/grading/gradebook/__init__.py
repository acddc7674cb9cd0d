"""A class's submissions and marks: collected, graded in a batch that can resume, and saved."""
