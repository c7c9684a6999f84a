"""Measures the stored models of a study in another runtime or on another machine."""
