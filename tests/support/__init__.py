"""Helpers that tests of several rooms share; pytest finds them by `pythonpath` in pyproject.toml."""
