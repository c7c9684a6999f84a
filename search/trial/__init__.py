"""Evaluates one trial of an open study."""
