"""Measures artifacts with the objectives of a study."""
