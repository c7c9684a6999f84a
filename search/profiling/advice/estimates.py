"""Estimates a network's costs after a change, from its counts and measured times. Pure.

The rules, which `tests/benchmarks/bench_profile.py` compares with networks that were changed:

1. A layer keeps its speed: half the multiply-adds take half the time. Layers that do not change
   keep their time (Amdahl's law), and so does the runtime between the layers.
2. No layer moves its bytes (inputs, outputs, weights) faster than the fastest layer of this
   network: a layer that is bound by memory does not gain from fewer multiply-adds.
3. A new layer computes at the speed of the layer that it replaces, within rule 2. It takes at
   least as long as the fastest layer of the network.
4. A file has 4 bytes for each parameter. Its other bytes do not change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from paretune.objectives.profiling.base import LayerCosts

FLOAT = 4.0
"""Bytes of a float32 number."""

SIGNIFICANT = 0.02
"""Layers with a smaller share of the time are too short to measure their speed."""


@dataclass(frozen=True)
class NetworkCosts:
    """Counts and measured times of a network.

    Attributes:
        layers: Counts for one input.
        ms: Path -> milliseconds of a run; a layer that was fused into another is missing.
        between: Milliseconds of a run outside of all layers.
        bytes: Size of the file.
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
    def layers_ms(self) -> float:
        """Milliseconds of all layers together."""
        return sum(self.ms.values())

    @property
    def run_ms(self) -> float:
        """Milliseconds of a run."""
        return self.layers_ms + self.between

    @cached_property
    def bandwidth(self) -> float:
        """Bytes per millisecond of the layer that moves its bytes fastest."""
        rates = [
            layer.traffic / self.ms[layer.path]
            for layer in self.layers
            if self.ms.get(layer.path, 0.0) > SIGNIFICANT * self.layers_ms
        ]
        return max(rates, default=0.0)

    @property
    def quickest_ms(self) -> float:
        """Milliseconds of the quickest layer that takes any time."""
        return min((ms for ms in self.ms.values() if ms > 0), default=0.0)

    @property
    def parameters(self) -> int:
        """Number of parameters of all layers."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def parameter_bytes(self) -> float:
        """Bytes of one parameter in the file: less than 4 if it is quantized already."""
        return min(FLOAT, _ratio(self.bytes, self.parameters))

    @property
    def other_bytes(self) -> float:
        """Bytes of the file that are not weights."""
        return max(0.0, self.bytes - self.parameter_bytes * self.parameters)

    def memory_ms(self, layer: LayerCosts) -> float:
        """Returns the least milliseconds in which this network can move the bytes of a layer."""
        return layer.traffic / self.bandwidth if self.bandwidth else 0.0


@dataclass(frozen=True)
class ChangeEstimate:
    """The costs after a change, as shares of those before: 0.5 is half.

    Attributes:
        time: Time of a run.
        macs: Multiply-adds.
        parameters: Number of parameters.
        size: Bytes of the file.
        layer_macs: Multiply-adds of the changed layer alone; 1 if the whole network changes.
    """

    time: float
    macs: float
    parameters: float
    size: float
    layer_macs: float = 1.0


def estimate_change(
    before: NetworkCosts, after: Sequence[LayerCosts], changed: str | None = None
) -> ChangeEstimate:
    """Estimates the costs of a changed network.

    Args:
        before: Costs of the network before the change.
        after: Layers of the changed network; layers with the same path keep their speed.
        changed: Path of the changed layer; None if the whole network changes.
    """
    ms = sum(_time(before, layer) for layer in after) + before.between
    # Times of no counted layer stay: a reordering by the runtime, a flatten.
    ms += sum(t for path, t in before.ms.items() if path not in before.by_path)
    parameters = sum(layer.parameters for layer in after)
    size = before.other_bytes + before.parameter_bytes * parameters
    return ChangeEstimate(
        time=_ratio(ms, before.run_ms),
        macs=_ratio(sum(layer.macs for layer in after), sum(x.macs for x in before.layers)),
        parameters=_ratio(parameters, before.parameters),
        size=_ratio(size, before.bytes),
        layer_macs=_layer_macs(before, after, changed),
    )


def _time(before: NetworkCosts, layer: LayerCosts) -> float:
    """Returns the milliseconds of a layer of the changed network."""
    old = before.by_path.get(layer.path)
    bound = before.memory_ms(layer)
    if old is None:
        origin = _replaced_layer(before, layer.path)
        old_ms = before.ms.get(origin.path, 0.0) if origin else 0.0
        computing = old_ms * _ratio(layer.macs, origin.macs) if origin else 0.0
        return max(computing, bound, before.quickest_ms)
    old_ms = before.ms.get(old.path, 0.0)
    if not old_ms or (old.macs, old.traffic) == (layer.macs, layer.traffic):
        return old_ms
    if not old.macs:
        return old_ms * _ratio(layer.traffic, old.traffic)
    computing = old_ms * layer.macs / old.macs
    return max(computing, min(bound, old_ms))


def _replaced_layer(before: NetworkCosts, path: str) -> LayerCosts | None:
    """Returns the layer that a new one replaces: its path is the beginning of the new one's."""
    while path:
        path = path.rpartition(".")[0]
        if path and path in before.by_path:
            return before.by_path[path]
    return None


def _layer_macs(before: NetworkCosts, after: Sequence[LayerCosts], changed: str | None) -> float:
    """Returns the share of the changed layer's multiply-adds that its replacement has."""
    old = before.by_path.get(changed or "")
    if changed is None or old is None:
        return 1.0
    inside = [x for x in after if x.path == changed or x.path.startswith(f"{changed}.")]
    return _ratio(sum(layer.macs for layer in inside), old.macs)


def _ratio(value: float, reference: float) -> float:
    return value / reference if reference else 1.0
