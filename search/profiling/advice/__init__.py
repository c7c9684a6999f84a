"""What to try for the layers that cost most, with the gain that can be expected of it."""
