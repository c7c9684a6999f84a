"""Helpers that tests of several rooms share; `pythonpath` in pyproject.toml lists the folder."""
