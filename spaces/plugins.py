"""Entries that installed packages add to our tables, by entry point.

A package names its classes under `paretune.<kind>` in its metadata, for instance

    [project.entry-points."paretune.pruning"]
    halving = "mypackage.halving:Halving"

and a study file then says `pruning: halving`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points


@dataclass(frozen=True)
class Plugin:
    """An entry point.

    Attributes:
        path: "module:Class".
        owner: The package that brings it.
    """

    path: str
    owner: str


def group_of(kind: str) -> str:
    """The entry-point group of a table: "data set" -> "paretune.data_set"."""
    return f"paretune.{kind.replace(' ', '_')}"


@cache
def plugins_of(kind: str) -> dict[str, tuple[Plugin, ...]]:
    """Name -> who brings it; more than one is a clash.

    Read once a process, and only when somebody asks for a name that is not built in: looking
    through all installed packages takes longer than all else that reading a study file does.
    """
    found: dict[str, tuple[Plugin, ...]] = {}
    for point in sorted(entry_points(group=group_of(kind)), key=lambda p: (p.name, p.value)):
        owner = point.dist.name if point.dist else "an installed package"
        plugin = Plugin(point.value, owner)
        if plugin not in found.get(point.name, ()):  # a package can lie on the path twice
            found[point.name] = (*found.get(point.name, ()), plugin)
    return found
