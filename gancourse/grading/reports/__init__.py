"""What comes of the marks: feedback, tables for Canvas and Moodle, the class at a glance."""
