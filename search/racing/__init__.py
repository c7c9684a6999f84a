"""Racing: compares trials while they train, and pauses the worse ones."""
