"""The Pareto front: pure functions on records and arrays."""
