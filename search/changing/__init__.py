"""A study that changes: what changed, what it means, and new measurements of earlier trials."""
