"""Shows where the time and size of a network go, and what to change."""
