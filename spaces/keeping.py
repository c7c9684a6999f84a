"""The layers that a task keeps as they are: no pruning or quantization changes them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from paretune.spaces.base import InfeasibleCandidate

if TYPE_CHECKING:
    import torch


def kept_modules(model: torch.nn.Module, patterns: Iterable[str]) -> list[str]:
    """Returns the names of the modules that the patterns name, without those inside another one.

    Args:
        model: The network.
        patterns: Patterns of names as `fnmatch` reads them: "head*" names `head` and `heads.0`.

    Raises:
        InfeasibleCandidate: A pattern names no module with weights.
    """
    patterns = tuple(patterns)
    if not patterns:
        return []
    modules = [(name, module) for name, module in model.named_modules() if name]
    names = [name for name, module in modules if any(True for _ in module.parameters())]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            near = difflib.get_close_matches(pattern.strip("*"), names, n=3, cutoff=0.3)
            raise InfeasibleCandidate(
                f'keep: the network has no layer with weights named "{pattern}"; the nearest are '
                f"{', '.join(near or names[:8])}"
            )
    kept: list[str] = []
    for name in names:
        named = any(fnmatchcase(name, pattern) for pattern in patterns)
        if named and not is_within(name, kept):
            kept.append(name)
    return kept


def is_within(name: str, modules: Iterable[str]) -> bool:
    """Returns whether a module is one of these modules, or inside one."""
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def kept_part(name: str, kept: Sequence[str]) -> str | None:
    """Returns the kept module that a module is, is inside of, or contains; None if there is none.

    Args:
        name: Name of the module.
        kept: What `kept_modules` returned.
    """
    return next((k for k in kept if is_within(name, [k]) or is_within(k, [name])), None)
