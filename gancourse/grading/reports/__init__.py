"""What is written from the marks: feedback, tables for Canvas and Moodle, a class overview."""
