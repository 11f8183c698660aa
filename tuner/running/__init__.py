"""A study at work: opened, searched, its trainings repeated."""
