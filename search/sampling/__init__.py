"""Which assignment to try next: the samplers, and what they are told."""
