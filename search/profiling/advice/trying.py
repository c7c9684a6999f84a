"""Looks at each change that could help a network, and estimates what it would leave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from paretune.objectives.inputs import Shape
from paretune.objectives.profiling.base import Layer
from paretune.search.profiling.advice import changes
from paretune.search.profiling.advice.findings import worst_layers
from paretune.search.profiling.advice.gains import (
    INT8_SPEED,
    INT8_SPEED_PLAIN,
    Estimate,
    Sheet,
    estimate,
    estimate_int8,
)
from paretune.search.profiling.advice.hints import hint
from paretune.search.profiling.advice.tried import Change, Tried

DOTS = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
"""Processor flags that say: dot products of 8 bits."""


def tried(
    model: nn.Module,
    shape: Shape,
    classes: int,
    sheet: Sheet,
    architecture: Mapping[str, Any],
    quantizations: Sequence[str] = (),
) -> list[Tried]:
    """The changes that can be made: of the worst layers, and of the whole network.

    Args:
        model: On the CPU.
        shape: Of one input.
        classes: Number of logits.
        sheet: What was measured of it.
        architecture: {name: parameters}.
        quantizations: Modes of the runtime that could still be applied; none where it is quantized.
    """
    found = []
    for path in worst_layers(sheet):
        for change, after in _of_layer(model, shape, classes, path):
            line = hint(change, path, architecture)
            found.append(Tried(path, change, estimate(sheet, after, path), line))
    for change, left, sides in _of_all(model, shape, classes, sheet, quantizations):
        found.append(Tried("", change, left, hint(change, "", architecture, quantizations, sides)))
    return found


def _of_layer(
    model: nn.Module, shape: Shape, classes: int, path: str
) -> Iterator[tuple[Change, tuple[Layer, ...]]]:
    made = {
        Change.SEPARABLE: changes.separable(model, path),
        Change.POOL: changes.pooled(model, path, shape),
        Change.HALVE: changes.pruned(model, shape, classes, path),
    }
    for change, changed in made.items():
        after = changes.costs(changed, shape)
        if after is not None:
            yield change, after


def _of_all(
    model: nn.Module, shape: Shape, classes: int, sheet: Sheet, quantizations: Sequence[str]
) -> Iterator[tuple[Change, Estimate, Sequence[int]]]:
    after = changes.costs(changes.pruned(model, shape, classes, None), shape)
    if after is not None:
        yield Change.HALVE_ALL, estimate(sheet, after), ()
    if "static" in quantizations:
        yield Change.INT8, estimate_int8(sheet, int8_speed()), ()
    smaller = changes.lower(shape)
    after = changes.costs(model, smaller)
    if smaller is not None and after is not None:
        yield Change.LOWER, estimate(sheet, after), (min(smaller[1:]), min(shape[1:]))


def int8_speed() -> float:
    """How many times as fast int8 is here, by what the processor says of itself."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return INT8_SPEED_PLAIN
    words = set(text.split())
    return INT8_SPEED if any(flag in words for flag in DOTS) else INT8_SPEED_PLAIN
