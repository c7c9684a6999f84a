"""Takes up changes of a study file between two runs."""
