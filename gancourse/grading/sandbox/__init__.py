"""Where a student's code runs: walls, who steps through them, and who keeps watch."""
