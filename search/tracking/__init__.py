"""Logs studies to MLflow and Weights & Biases."""
