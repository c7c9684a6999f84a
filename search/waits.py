"""How long a run waits for a server that is away."""

from __future__ import annotations

import os

from paretune.search.errors import UserError

LONGEST = 600.0
"""Seconds that a run waits for a server, unless the environment says another number."""


def longest_wait(variable: str) -> float:
    """Returns the longest wait in seconds.

    Args:
        variable: Name of the environment variable that may set it.

    Raises:
        UserError: The variable holds no number.
    """
    text = os.environ.get(variable, "")
    try:
        seconds = float(text) if text else LONGEST
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e9:
        raise UserError(
            f"{variable}: must be a number of seconds, not {text!r}; for ten minutes: "
            f"export {variable}=600"
        )
    return seconds
