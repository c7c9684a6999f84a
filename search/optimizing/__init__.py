"""Rounds of short searches that lead to a goal."""
