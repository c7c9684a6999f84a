"""What a change would gain: from the changed network's counts and the measured times. Pure.

The rules, held against really changed networks by `tests/benchmarks/bench_profile.py`:

1. A layer keeps its own speed: half the multiply-adds, half its time. Layers that are not changed
   keep their time (Amdahl), and so does what the runtime does between them.
2. But no layer moves its bytes (inputs, outputs, weights) faster than the fastest of this network
   does: a layer that is bound by memory does not gain from fewer multiply-adds.
3. A new layer computes at the speed of the layer in whose place it is, within rule 2; and it takes
   no less than the quickest layer there is.
4. In int8, a convolution or product takes a quarter of the time that its bytes take, and of the
   rest 1 / INT8_SPEED where the processor has dot products of 8 bits, else 1 / INT8_SPEED_PLAIN.
   All else stays as it is.
5. A file has the bytes that it has beside its weights, and 4 for each parameter (1 for those of
   convolutions and products in int8).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from paretune.objectives.profiling.base import LayerCosts

INT8_SPEED = 3.0
"""Seen with AVX512-VNNI: 2 to 4 for whole layers of ResNets, MobileNets and transformers."""

INT8_SPEED_PLAIN = 1.5
"""Seen with AVX2 alone: 1.4 to 1.8."""

FLOAT = 4.0
"""Bytes of a number."""

WEIGHTY = 0.02
"""Share of the time from which on a layer's speed says something."""


@dataclass(frozen=True)
class Sheet:
    """A network with what was measured of it.

    Attributes:
        layers: Counts for one input.
        ms: Path -> milliseconds of a run; a layer that was fused into another has none.
        between: Milliseconds of a run outside of all layers.
        bytes: Of the file.
    """

    layers: tuple[LayerCosts, ...]
    ms: Mapping[str, float]
    between: float
    bytes: float

    @cached_property
    def by_path(self) -> dict[str, LayerCosts]:
        """Path -> layer."""
        return {layer.path: layer for layer in self.layers}

    @property
    def busy(self) -> float:
        """Milliseconds of all layers."""
        return sum(self.ms.values())

    @cached_property
    def bandwidth(self) -> float:
        """Bytes a millisecond of the layer that moves most."""
        rates = [
            layer.traffic / self.ms[layer.path]
            for layer in self.layers
            if self.ms.get(layer.path, 0.0) > WEIGHTY * self.busy
        ]
        return max(rates, default=0.0)

    @property
    def quickest(self) -> float:
        """Milliseconds of the layer that takes least, of those that take any."""
        return min((ms for ms in self.ms.values() if ms > 0), default=0.0)


@dataclass(frozen=True)
class Estimate:
    """What stays after a change, as a share of what was before: 0.5 is half.

    Attributes:
        time: Of a whole run.
        macs: Multiply-adds.
        parameters: Their number.
        size: Bytes of the file.
        layer_macs: Multiply-adds of the changed layer alone; 1 where the whole network changes.
    """

    time: float
    macs: float
    parameters: float
    size: float
    layer_macs: float = 1.0


def estimate(before: Sheet, after: Sequence[LayerCosts], changed: str | None = None) -> Estimate:
    """What stays when a network's layers become others.

    Args:
        before: The network as it is.
        after: The layers of the changed network; those that keep their path keep their speed.
        changed: Path of the layer that the change is about.
    """
    ms = sum(_time(before, layer) for layer in after) + before.between
    # What the runtime does for no layer that can be counted (a reordering, a flatten) stays.
    ms += sum(t for path, t in before.ms.items() if path not in before.by_path)
    parameters = sum(layer.parameters for layer in after)
    return Estimate(
        time=_ratio(ms, before.busy + before.between),
        macs=_ratio(sum(layer.macs for layer in after), sum(x.macs for x in before.layers)),
        parameters=_ratio(parameters, _parameters(before)),
        size=_ratio(_beside(before) + _each(before) * parameters, before.bytes),
        layer_macs=_within(before, after, changed),
    )


def estimate_int8(before: Sheet, speed: float = INT8_SPEED) -> Estimate:
    """What stays of a float network in static int8.

    Args:
        before: The network, in float.
        speed: How many times as fast multiply-adds are.
    """
    ms, light = before.between + before.busy, 0
    for layer in before.layers:
        taken = before.ms.get(layer.path, 0.0)
        if not layer.macs:
            continue
        light += layer.parameters
        moving = min(taken, layer.traffic / before.bandwidth) if before.bandwidth else 0.0
        ms -= taken - (moving / FLOAT + (taken - moving) / speed)
    total = _parameters(before)
    size = _beside(before) + FLOAT * (total - light) + light
    whole = before.between + before.busy
    return Estimate(_ratio(ms, whole), 1.0, 1.0, _ratio(size, before.bytes))


def _time(before: Sheet, layer: LayerCosts) -> float:
    """Milliseconds of a layer of the changed network."""
    old = before.by_path.get(layer.path)
    bound = layer.traffic / before.bandwidth if before.bandwidth else 0.0
    if old is None:
        origin = _origin(before, layer.path)
        taken = before.ms.get(origin.path, 0.0) if origin else 0.0
        computing = taken * _ratio(layer.macs, origin.macs) if origin else 0.0
        return max(computing, bound, before.quickest)
    taken = before.ms.get(old.path, 0.0)
    counts = (old.macs, old.traffic), (layer.macs, layer.traffic)
    if not taken or counts[0] == counts[1]:
        return taken
    if not old.macs:
        return taken * _ratio(layer.traffic, old.traffic)
    computing = taken * layer.macs / old.macs
    return max(computing, min(bound, taken))


def _origin(before: Sheet, path: str) -> LayerCosts | None:
    """The layer in whose place a new one is: the one whose path its own begins with."""
    while path:
        path = path.rpartition(".")[0]
        if path and path in before.by_path:
            return before.by_path[path]
    return None


def _within(before: Sheet, after: Sequence[LayerCosts], changed: str | None) -> float:
    """What stays of a layer's multiply-adds, in what is now in its place."""
    old = before.by_path.get(changed or "")
    if changed is None or old is None:
        return 1.0
    inside = [x for x in after if x.path == changed or x.path.startswith(f"{changed}.")]
    return _ratio(sum(layer.macs for layer in inside), old.macs)


def _parameters(before: Sheet) -> int:
    return sum(layer.parameters for layer in before.layers)


def _each(before: Sheet) -> float:
    """Bytes that a parameter takes in the file: fewer than 4 where it is quantized already."""
    return min(FLOAT, _ratio(before.bytes, _parameters(before)))


def _beside(before: Sheet) -> float:
    return max(0.0, before.bytes - _each(before) * _parameters(before))


def _ratio(above: float, below: float) -> float:
    return above / below if below else 1.0
