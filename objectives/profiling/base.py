"""Defines what profiles contain: the costs of a layer, a part of a run's time, all parts of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

OWN_CODE = ""
"""The path of the network itself, for work outside of its modules."""


@dataclass(frozen=True)
class LayerCosts:
    """The costs of a module that computes or has parameters, for one input.

    Attributes:
        path: As in `named_modules`: "layer1.0.conv1"; OWN_CODE for the network itself.
        kind: Class of the module: "Conv2d".
        parameters: Trainable values, without submodules. One shared with an earlier layer counts
            there.
        macs: Multiply-adds of convolutions and matrix products, as the objective `macs` counts.
        activations: Output elements of its operators; views of other tensors do not count.
        traffic: Bytes that its operators read and write, weights included. They determine the time
            of a layer that is bound by memory.
        output: Shape of its last output, without the batch.
        calls: Calls in one inference.
    """

    path: str
    kind: str
    parameters: int
    macs: int
    activations: int
    traffic: int
    output: tuple[int, ...] = ()
    calls: int = 1


@dataclass(frozen=True)
class NetworkPart:
    """Milliseconds of one kind of operator in one layer, in one run."""

    path: str
    operator: str
    ms: float


@dataclass(frozen=True)
class Times:
    """How the time of a run divides into parts.

    Runs with and without profiling alternate. Times of whole runs are medians of the faster half,
    because other work of the machine interrupts many of the slower half. Parts are lower quartiles
    over all runs.

    Attributes:
        source: What made the profile: "onnxruntime", "openvino", "torch".
        parts: In the order of their first run.
        between: Milliseconds of a profiled run outside of all parts: the runtime and the profiling.
        unprofiled: Milliseconds of a run without profiling.
        profiled: Milliseconds of a run with profiling.
        runs: Number of profiled runs.
        batch: Inputs in one run.
    """

    source: str
    parts: tuple[NetworkPart, ...]
    between: float
    unprofiled: float
    profiled: float
    runs: int
    batch: int = 1

    @property
    def total(self) -> float:
        """Milliseconds of all parts; shares refer to this sum."""
        return sum(part.ms for part in self.parts)

    @property
    def overhead(self) -> float:
        """How much longer a profiled run takes, as a share of a run without profiling."""
        return self.profiled / self.unprofiled - 1 if self.unprofiled else 0.0

    @property
    def outside(self) -> float:
        """Milliseconds of a run without profiling that belong to no layer.

        At most `between`, which also contains the time to write the profile.
        """
        return max(0.0, min(self.between, self.unprofiled - self.total))

    def by_layer(self) -> dict[str, float]:
        """Returns layer path -> milliseconds."""
        return _sum_by_name((part.path, part.ms) for part in self.parts)

    def by_operator(self) -> dict[str, float]:
        """Returns kind of operator -> milliseconds."""
        return _sum_by_name((part.operator, part.ms) for part in self.parts)


def shares(values: Mapping[str, float]) -> dict[str, float]:
    """Returns each value as a share of their sum; all 0 if the sum is 0."""
    total = sum(values.values())
    return {name: value / total if total else 0.0 for name, value in values.items()}


def _sum_by_name(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for name, value in pairs:
        sums[name] = sums.get(name, 0.0) + value
    return sums
