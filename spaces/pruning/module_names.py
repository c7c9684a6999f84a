"""Modules and layers that a study names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from paretune.spaces.base import InfeasibleCandidate


def check_names(names: Iterable[str], known: Sequence[str], what: str) -> None:
    """Sees to it that each name is known.

    Args:
        names: Given by the user.
        known: All there are.
        what: The option they were given to, for the message.

    Raises:
        InfeasibleCandidate: One is not, with the names nearest to it.
    """
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.3) or list(known)[:8]
            raise InfeasibleCandidate(
                f'{what}: the network has no "{name}"; the nearest are {", ".join(near)}'
            )


def is_within(name: str, named: Iterable[str]) -> bool:
    """Whether a module is one of those named, or inside one."""
    return any(name == one or name.startswith(f"{one}.") for one in named)
