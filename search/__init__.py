"""The engine: from a study file to a Pareto front and an exported model."""
