"""Compares a deployed model's log with its manifest."""
