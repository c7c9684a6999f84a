"""A profile as a table: what each layer and each kind of operator takes of what there is. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from paretune.objectives.base import Measurement
from paretune.objectives.profiling.base import LayerCosts, Times, shares
from paretune.search.profiling.advice.findings import Finding, to_json

SCHEMA = 1
"""Of the JSON; raised when a key changes its meaning or goes."""

FLOAT = 4
"""Bytes of a number, as most of them are kept while a network runs."""

ROOT = "(network)"
"""What the network does itself, outside of its modules."""


@dataclass(frozen=True)
class Row:
    """A layer: what it takes, and as shares of the whole network, in [0, 1].

    Attributes:
        layer: What was counted of it.
        ms: Milliseconds in one run; 0 where the runtime fused it into another.
        memory: Bytes of its weights (as float32) and of what it gives for one input.
        shares: "time", "macs", "parameters", "memory" -> share.
    """

    layer: LayerCosts
    ms: float
    memory: int
    shares: Mapping[str, float]

    @property
    def name(self) -> str:
        """Its path, or what stands for the network itself."""
        return self.layer.path or ROOT


@dataclass(frozen=True)
class Profile:
    """All there is to say of one network in one runtime.

    Attributes:
        subject: What was profiled, in a few words.
        runtime: Its name, with the options as JSON.
        shape: Of one input.
        classes: Number of logits.
        numbers: Measured or known, in order.
        layers: In the order in which they run.
        times: Where the time goes; `times.source` says whose profile it is.
        note: What is to be known about the times; None for nothing.
        findings: What to try.
        host: Facts about the machine.
    """

    subject: str
    runtime: str
    options: Mapping[str, Any]
    shape: tuple[int, ...]
    classes: int
    numbers: tuple[Measurement, ...]
    layers: tuple[LayerCosts, ...]
    times: Times
    note: str | None
    findings: tuple[Finding, ...]
    host: Mapping[str, Any]

    @property
    def rows(self) -> list[Row]:
        """The layers, the one that takes most time first, then by multiply-adds."""
        ms = self.times.by_layer()
        memory = {x.path: FLOAT * (x.parameters + x.activations) for x in self.layers}
        parts: dict[str, dict[str, float]] = {
            "time": shares({x.path: ms.get(x.path, 0.0) for x in self.layers}),
            "macs": shares({x.path: float(x.macs) for x in self.layers}),
            "parameters": shares({x.path: float(x.parameters) for x in self.layers}),
            "memory": shares({path: float(size) for path, size in memory.items()}),
        }
        rows = [
            Row(
                layer,
                ms.get(layer.path, 0.0),
                memory[layer.path],
                {name: found[layer.path] for name, found in parts.items()},
            )
            for layer in self.layers
        ]
        return sorted(rows, key=lambda row: (-row.ms, -row.layer.macs, -row.layer.parameters))

    @property
    def operators(self) -> list[tuple[str, float, float]]:
        """(kind, ms, share), the one that takes most first."""
        ms = self.times.by_operator()
        part = shares(ms)
        return sorted(((name, ms[name], part[name]) for name in ms), key=lambda row: -row[1])

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON."""
        times = self.times
        return {
            "schema": SCHEMA,
            "subject": self.subject,
            "runtime": self.runtime,
            "options": dict(self.options),
            "shape": list(self.shape),
            "classes": self.classes,
            "numbers": [m.to_json() for m in self.numbers],
            "times": {
                "source": times.source,
                "note": self.note,
                "batch": times.batch,
                "runs": times.runs,
                "whole_ms": times.whole,
                "profiled_ms": times.profiled,
                "layers_ms": times.total,
                "between_ms": times.between,
                "overhead": times.overhead,
            },
            "layers": [_row_json(row) for row in self.rows],
            "operators": [
                {"operator": name, "ms": ms, "share": share} for name, ms, share in self.operators
            ],
            "parts": [asdict(part) for part in times.parts],
            "advice": to_json(self.findings),
            "host": dict(self.host),
        }


def _row_json(row: Row) -> dict[str, Any]:
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


def shown(rows: Sequence[Row], most: int, least: float = 0.005) -> list[Row]:
    """The first rows, without those that take next to nothing of anything."""
    return [row for row in rows[:most] if max(row.shares.values()) >= least]
