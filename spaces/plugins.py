"""Entries that installed packages add to the tables of options, by entry point.

A package names its classes under `paretune.<kind>` in its metadata, for instance

    [project.entry-points."paretune.pruning"]
    halving = "mypackage.halving:Halving"

and a study file can then contain `pruning: halving`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points


@dataclass(frozen=True)
class Plugin:
    """An entry point.

    Attributes:
        path: Path of the class, "module:Class".
        owner: Name of the package that provides it.
    """

    path: str
    owner: str


def entry_point_group(kind: str) -> str:
    """Returns the entry-point group of a table: "data set" -> "paretune.data_set"."""
    return f"paretune.{kind.replace(' ', '_')}"


@cache
def plugins_of(kind: str) -> dict[str, tuple[Plugin, ...]]:
    """Returns name -> plugins for one table; several plugins of one name are a clash.

    Runs once per process, and only for a name that is not built in: the search through all
    installed packages takes longer than everything else that reading a study file does.
    """
    plugins: dict[str, tuple[Plugin, ...]] = {}
    points = entry_points(group=entry_point_group(kind))
    for point in sorted(points, key=lambda p: (p.name, p.value)):
        owner = point.dist.name if point.dist else "an installed package"
        plugin = Plugin(point.value, owner)
        if plugin not in plugins.get(point.name, ()):  # a package can be on the path twice
            plugins[point.name] = (*plugins.get(point.name, ()), plugin)
    return plugins
