"""A profile: the share of each layer and operator in time, multiply-adds and memory. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from paretune.inputs import Shape, sizes
from paretune.objectives.base import Measurement
from paretune.objectives.profiling.base import LayerCosts, Times, shares
from paretune.search.profiling.advice.advice import Advice, to_json
from paretune.search.profiling.advice.change import TriedFormat

SCHEMA = 2
"""Version of the JSON; raised when a key changes its meaning or is removed."""

FLOAT = 4
"""Bytes of a float32 number."""

ROOT = "(network)"
"""Name of the network's own code, outside of its modules."""


@dataclass(frozen=True)
class ProfileRow:
    """The costs of one layer, and its shares in those of the whole network.

    Attributes:
        layer: Counts of the layer.
        ms: Its part of the latency in milliseconds; 0 if the runtime fused it into another.
        memory: Bytes of its weights (as float32) and of its output for one input.
        shares: "time", "macs", "parameters", "memory" -> share, in [0, 1].
    """

    layer: LayerCosts
    ms: float
    memory: int
    shares: Mapping[str, float]

    @property
    def name(self) -> str:
        """Path of the layer; ROOT for the network's own code."""
        return self.layer.path or ROOT


@dataclass(frozen=True)
class Profile:
    """Measurements, times and advice for one network in one runtime.

    Attributes:
        subject: Short description of the network.
        runtime: Name of the runtime.
        options: Options of the runtime, as JSON.
        shape: Shape of one input.
        classes: Number of logits.
        numbers: Measurements, in the order in which they are shown.
        layers: Counts by layer, in the order in which the layers run.
        times: Times by layer and operator; `times.source` names the profiler.
        note: A remark on the times, or None.
        advice: Changes to try.
        host: Facts about the machine.
        formats: Number formats that were tried.
    """

    subject: str
    runtime: str
    options: Mapping[str, Any]
    shape: Shape
    classes: int
    numbers: tuple[Measurement, ...]
    layers: tuple[LayerCosts, ...]
    times: Times
    note: str | None
    advice: tuple[Advice, ...]
    host: Mapping[str, Any]
    formats: tuple[TriedFormat, ...] = ()

    @property
    def latency(self) -> float:
        """Milliseconds of one run: the latency, or a run of the profiler's session without it."""
        measured = next((m.value for m in self.numbers if m.name == "latency"), None)
        return self.times.unprofiled if measured is None else measured

    @property
    def scale(self) -> float:
        """Factor from the profiler's times to parts of the latency.

        The profiler makes a run longer, and with it the layers. With this factor the layers and
        the time outside of them add up to the latency.
        """
        profiled = self.times.total + self.times.outside
        return self.latency / profiled if profiled else 1.0

    @property
    def rows(self) -> list[ProfileRow]:
        """The layers, slowest first; layers of equal time by multiply-adds."""
        ms = {path: self.scale * ms for path, ms in self.times.by_layer().items()}
        memory = {x.path: FLOAT * (x.parameters + x.activations) for x in self.layers}
        columns: dict[str, dict[str, float]] = {
            "time": shares({x.path: ms.get(x.path, 0.0) for x in self.layers}),
            "macs": shares({x.path: float(x.macs) for x in self.layers}),
            "parameters": shares({x.path: float(x.parameters) for x in self.layers}),
            "memory": shares({path: float(size) for path, size in memory.items()}),
        }
        rows = [
            ProfileRow(
                layer,
                ms.get(layer.path, 0.0),
                memory[layer.path],
                {name: column[layer.path] for name, column in columns.items()},
            )
            for layer in self.layers
        ]
        return sorted(rows, key=lambda row: (-row.ms, -row.layer.macs, -row.layer.parameters))

    @property
    def operators(self) -> list[tuple[str, float, float]]:
        """Returns (operator, part of the latency in ms, share of the layers), slowest first."""
        ms = {name: self.scale * ms for name, ms in self.times.by_operator().items()}
        part = shares(ms)
        return sorted(((name, ms[name], part[name]) for name in ms), key=lambda row: -row[1])

    def to_json(self) -> dict[str, Any]:
        """Returns the whole profile as JSON."""
        times = self.times
        return {
            "schema": SCHEMA,
            "subject": self.subject,
            "runtime": self.runtime,
            "options": dict(self.options),
            "shape": sizes(self.shape),
            "classes": self.classes,
            "numbers": [m.to_json() for m in self.numbers],
            "times": {
                "source": times.source,
                "note": self.note,
                "batch": times.batch,
                "runs": times.runs,
                "latency_ms": self.latency,
                "outside_ms": self.scale * times.outside,
                "overhead": times.overhead,
            },
            "layers": [_row_json(row) for row in self.rows],
            "operators": [
                {"operator": name, "ms": ms, "share": share} for name, ms, share in self.operators
            ],
            "parts": [{**asdict(part), "ms": self.scale * part.ms} for part in times.parts],
            "formats": [asdict(tried) for tried in self.formats],
            "advice": to_json(self.advice),
            "host": dict(self.host),
        }


def _row_json(row: ProfileRow) -> dict[str, Any]:
    layer = row.layer
    return {
        "layer": layer.path,
        "kind": layer.kind,
        "calls": layer.calls,
        "output": list(layer.output),
        "ms": row.ms,
        "macs": layer.macs,
        "parameters": layer.parameters,
        "activations": layer.activations,
        "memory_bytes": row.memory,
        "traffic_bytes": layer.traffic,
        "shares": dict(row.shares),
    }


def worst_rows(
    rows: Sequence[ProfileRow], max_rows: int, min_share: float = 0.005
) -> list[ProfileRow]:
    """Returns those of the first `max_rows` rows that have a share of at least `min_share`."""
    return [row for row in rows[:max_rows] if max(row.shares.values()) >= min_share]
