"""Runs a study: workers, stopping rules, recovery, racing turns and the final session."""
