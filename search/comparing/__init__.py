"""Compares the fronts of several studies."""
