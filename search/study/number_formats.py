"""The number formats that a trained network can be deployed in without further training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paretune.search.study.spec import StudySpec
from paretune.search.study.stage import Stage
from paretune.spaces.domains import Choice, Domain, Node, Record, assign, assignments, count

QUANTIZATION = "quantization"
"""The key of a space that may change after a network is trained."""

MAX_VARIANTS = 4
"""Variants of one number format that are tried at most; one with more is left to the sampler."""


def untrained_formats(space: Node) -> list[dict[str, Any]]:
    """Returns the assignments of the number format that need no training; empty if it is fixed.

    Args:
        space: The space of the study, a Record.
    """
    assert isinstance(space, Record)
    node = dict(space.fields).get(QUANTIZATION)
    if not isinstance(node, Choice):
        return []
    formats = []
    for label, child in node.options:
        if count(child) > MAX_VARIANTS:
            continue
        branch = Record(((QUANTIZATION, Choice(((label, child),))),))
        formats += [params for params in assignments(branch) if not _trains(branch, params)]
    return formats


def variant_formats(spec: StudySpec) -> list[dict[str, Any]]:
    """Returns the formats in which a study tries its trained networks; empty if it does not."""
    return untrained_formats(spec.space) if spec.format_variants and spec.trainer is None else []


def network_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the part of an assignment that decides the trained network."""
    return {name: value for name, value in params.items() if not _in_format(name)}


def variants_of(
    params: Mapping[str, Any], formats: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Returns the assignment's network in each of these formats except its own."""
    network = network_params(params)
    current = {name: value for name, value in params.items() if _in_format(name)}
    return [{**network, **number_format} for number_format in formats if number_format != current]


def _trains(branch: Record, params: Mapping[str, Any]) -> bool:
    def choose(name: str, _: Domain) -> Any:
        return params[name]

    return Stage("quantize", {QUANTIZATION: assign(branch, choose)[QUANTIZATION]}).trains


def _in_format(name: str) -> bool:
    return name == QUANTIZATION or name.startswith(f"{QUANTIZATION}.")
