"""What is known: the only SQL."""
