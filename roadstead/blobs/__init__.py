"""What is stored: the only bytes."""
