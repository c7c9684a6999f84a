"""Preflight: tries the parts of a study once, before a run spends hours on them."""
