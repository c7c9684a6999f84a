"""Durations in words."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Returns `0.4 s`, `40 s`, `33 min`, `5.2 h` or `3.1 days`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"
