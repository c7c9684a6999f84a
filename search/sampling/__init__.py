"""The samplers: they propose the next trial and learn from the results of the trials."""
