"""Formats: the number formats that a trained network can be given without further training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paretune.search.study.spec import StudySpec
from paretune.search.study.technique_stages import trains
from paretune.spaces.domains import Choice, Domain, Node, Record, assign, assignments, count

FORMAT = "quantization"
"""The part of a space that may change once a network is trained."""

MOST = 4
"""Variants of one number format that are tried of a network; one with more is the sampler's."""


def formats(space: Node) -> list[dict[str, Any]]:
    """The assignments of the number format that need no training; none where it is not searched.

    Args:
        space: Of the study, a Record.
    """
    assert isinstance(space, Record)
    node = dict(space.fields).get(FORMAT)
    if not isinstance(node, Choice):
        return []
    found = []
    for label, child in node.options:
        if count(child) > MOST:
            continue
        only = Record(((FORMAT, Choice(((label, child),))),))
        found += [params for params in assignments(only) if not _trains(only, params)]
    return found


def free_formats(spec: StudySpec) -> list[dict[str, Any]]:
    """Those that networks of a study are tried in once they are trained; none if it wants none."""
    return formats(spec.space) if spec.format_variants and spec.trainer is None else []


def network_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """What of an assignment decides the trained network."""
    return {name: value for name, value in params.items() if not _in_format(name)}


def others_of(
    params: Mapping[str, Any], known: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The assignment's network in each of these formats but its own."""
    network = network_of(params)
    given = {name: value for name, value in params.items() if _in_format(name)}
    return [{**network, **other} for other in known if other != given]


def _trains(only: Record, params: Mapping[str, Any]) -> bool:
    def choose(name: str, _: Domain) -> Any:
        return params[name]

    return trains("quantize", {"quantization": assign(only, choose)[FORMAT]})


def _in_format(name: str) -> bool:
    return name == FORMAT or name.startswith(f"{FORMAT}.")
