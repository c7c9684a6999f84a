"""Advice for the layers that cost most, with the gain that each change is expected to bring."""
