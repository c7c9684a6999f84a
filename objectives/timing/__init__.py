"""How a run of a network is timed."""
