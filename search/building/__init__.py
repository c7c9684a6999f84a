"""Builds networks: a plan becomes a trained candidate, then a deployed artifact."""
