"""The words of a profile: a layer and what it costs, a part of the time, all parts of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

OWN_CODE = ""
"""The path of the network itself: what it does outside of its modules."""


@dataclass(frozen=True)
class LayerCosts:
    """A module that does work of its own or holds parameters; counts are for one input.

    Attributes:
        path: As of `named_modules`: "layer1.0.conv1"; OWN_CODE for the network itself.
        kind: Class of the module: "Conv2d".
        parameters: Trainable numbers of its own; one shared with an earlier layer counts there.
        macs: Multiply-adds of convolutions and matrix products, as the objective `macs` counts.
        activations: Numbers that its operators give, views of others not counted.
        traffic: Bytes that its operators read and write, weights included: what a layer bound by
            memory takes its time for.
        output: Shape of what it gave last, without the batch.
        calls: How often it runs in one inference.
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
    """Milliseconds of one kind of operator in one layer, for one run."""

    path: str
    operator: str
    ms: float


@dataclass(frozen=True)
class Times:
    """Where the time of a run goes.

    Runs with and without profiling were made in turn; of both the faster half counts, because the
    slower half was interrupted by other work of the machine: medians. The parts are lower
    quartiles over all runs.

    Attributes:
        source: Whose profile this is: "onnxruntime", "openvino", "torch".
        parts: In the order in which they ran first.
        between: Milliseconds of a profiled run outside of all parts: the runtime, and profiling.
        whole: Milliseconds of a run without profiling.
        profiled: Milliseconds of a run with profiling.
        runs: Profiled runs.
        batch: Inputs in one run.
    """

    source: str
    parts: tuple[NetworkPart, ...]
    between: float
    whole: float
    profiled: float
    runs: int
    batch: int = 1

    @property
    def total(self) -> float:
        """Milliseconds of all parts together: what shares are of."""
        return sum(part.ms for part in self.parts)

    @property
    def overhead(self) -> float:
        """How much longer a run takes because it is profiled, as a share of one that is not."""
        return self.profiled / self.whole - 1 if self.whole else 0.0

    @property
    def outside(self) -> float:
        """Milliseconds of a run without profiling that no layer takes.

        In a profiled run writing the profile is among what is between the layers.
        """
        return max(0.0, min(self.between, self.whole - self.total))

    def by_layer(self) -> dict[str, float]:
        """Path -> milliseconds."""
        return _added((part.path, part.ms) for part in self.parts)

    def by_operator(self) -> dict[str, float]:
        """Kind of operator -> milliseconds."""
        return _added((part.operator, part.ms) for part in self.parts)


def shares(values: Mapping[str, float]) -> dict[str, float]:
    """Each value as a share of all; all 0 where there is nothing to share."""
    total = sum(values.values())
    return {name: value / total if total else 0.0 for name, value in values.items()}


def _added(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, value in pairs:
        found[name] = found.get(name, 0.0) + value
    return found
