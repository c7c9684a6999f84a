"""Differences of two networks that were measured on the same examples."""
