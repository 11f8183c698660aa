"""What is known of a study, as values, files and words."""
