"""Names of modules and layers in a study's options."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from paretune.spaces.base import InfeasibleCandidate


def check_names(names: Iterable[str], existing: Sequence[str], option: str) -> None:
    """Checks that the network has a module or layer of each name.

    Args:
        names: Names from the study.
        existing: All names of the network.
        option: Name of the option with these names, for the error text.

    Raises:
        InfeasibleCandidate: A name does not exist; the text lists the nearest names.
    """
    for name in names:
        if name not in existing:
            near = difflib.get_close_matches(name, existing, n=3, cutoff=0.3) or list(existing)[:8]
            raise InfeasibleCandidate(
                f'{option}: the network has no "{name}"; the nearest are {", ".join(near)}'
            )
