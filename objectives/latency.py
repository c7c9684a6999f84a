"""Latency of the artifact in its runtime, against the baseline and a panel of references.

A machine's speed drifts, by more than two candidates differ. Most of it is a neighbour on the same
core, who slows each network by a factor of its own; so runs that were interrupted, or that shared
the processor (see `probe`), do not count. What is left cancels: the candidate, the baseline and the
references are visited in turn, a few milliseconds each, in blocks with sessions of their own, and
the candidate's ratio to all of them counts; theirs to the baseline is known from the baseline's
measurement. The interval has two parts: the scatter between the blocks, and how far baseline and
references have moved against each other since the baseline was measured, which is what a network
moves by itself on this host.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from paretune.objectives.base import Better, Measurement, Subject
from paretune.objectives.host import fingerprint, frequency, load_average
from paretune.objectives.params import Params
from paretune.objectives.timing.contention_probe import DEAFENED
from paretune.objectives.timing.cuda import clocks
from paretune.objectives.timing.estimates import Estimate, quantile, statistic
from paretune.objectives.timing.reference_networks import NAMES, VERSION
from paretune.objectives.timing.rounds import TimingRounds

ALIKE = (
    *("statistic", "batch", "shape", "runtime", "threads", "provider", "device", "graph"),
    *("host", "cpu"),
)
"""Conditions that have to be those of the baseline's measurement, for its references to tell."""


class Latency:
    """Milliseconds for one batch, beside baseline and references so that drift cancels."""

    name = "latency"
    unit = "ms"
    better: Better = "lower"
    cost = 2

    class Params(Params):
        """Options of latency."""

        statistic: Literal["p50", "p90", "p99", "mean"] = Field(
            "p50", description="of the runs: median, a percentile, or the mean"
        )
        batch: int = Field(1, ge=1, le=65536, description="examples in one run")
        precision: float = Field(
            0.02, gt=0, lt=1, description="wanted half width of the 95 % interval, relative"
        )
        seconds: float = Field(2.0, gt=0, le=3600, description="the most that is spent on it")
        references: bool = Field(True, description="run small networks of known ratio beside it")
        spread: float = Field(
            0.0, ge=0, le=86400, description="seconds over which its blocks are spread, with pauses"
        )

    @staticmethod
    def measure(subject: Subject, params: Any, part: str) -> Measurement:
        """Runs the artifact in turn with the references, and the baseline where there is one."""
        return Latency.together([subject], params)[0]

    @staticmethod
    def together(
        subjects: Sequence[Subject], params: Any, rest: Callable[[float], object] = time.sleep
    ) -> list[Measurement]:
        """Measures several artifacts of one study in the same visits: best to compare them.

        The time is `seconds` for each; on a disturbed host up to twice as much, to find calm
        moments. `objectives.differences` compares what comes of it.

        Args:
            subjects: What is measured.
            params: Options.
            rest: With `spread`, waits for so many seconds between two blocks; others may work then.

        Raises:
            Unmeasurable: There are no inputs.
        """
        first = subjects[0]
        rounds = TimingRounds(subjects, params, lambda: _known(first, params))
        rounds.run(rest)
        return [_measurement(subject, params, rounds, i) for i, subject in enumerate(subjects)]


def _known(subject: Subject, params: Any) -> Sequence[float] | None:
    """The references' ratios to the baseline, if measured in the same way and place."""
    known = subject.baseline_measurements.get(Latency.name)
    if known is None or not _alike(known, conditions(subject, params)):
        return None
    ratios: Sequence[float] = known.conditions["references"]["log_ratios"]
    return ratios


def _measurement(subject: Subject, params: Any, rounds: TimingRounds, place: int) -> Measurement:
    ours, found = rounds.ours[place], rounds.estimate(place)
    reference = subject.baseline_measurements.get(Latency.name) if rounds.base else None
    value = math.exp(found.value) * (reference.value if reference else 1.0)
    base = rounds.base or ours
    counted, base_counted = (_flat(runs.counted(rounds.used())) for runs in (ours, base))
    figures = {name: statistic(counted, name) for name in ("p50", "p90", "p99", "mean")}
    beside = [a - b for a, b in zip(rounds.levels(ours), rounds.levels(base), strict=True)]
    best = rounds.probe.best_ms
    then = (reference.conditions if reference else {}).get("probe_ms") or best
    said = {
        **conditions(subject, params),
        "relative_to": "baseline" if rounds.base else None,
        "ratio": math.exp(found.value) if rounds.base else 1.0,
        "ratio_beside_baseline": math.exp(math.fsum(beside) / len(beside)),
        "raw_ms": figures[params.statistic],
        "raw_baseline_ms": statistic(base_counted, params.statistic),
        **{f"{name}_ms": figure for name, figure in figures.items()},
        "iqr_ms": quantile(counted, 0.75) - quantile(counted, 0.25),
        "references": {
            "version": VERSION,
            "networks": list(NAMES[: len(rounds.panel)]),
            "log_ratios": rounds.ratios(ours),
            "used": rounds.known is not None,
            "why_none": rounds.alone,
        },
        "session": rounds.session(place),
        "visits": ours.visits,
        "blocks": len(ours.blocks),
        "disturbed": ours.disturbed(),
        "disturbed_host": rounds.disturbed or best > DEAFENED * then,
        "interruptions_seen": ours.clocked,
        "probe_ms": best,
        "warm_up_runs": rounds.warm[place],
        "precise_enough": rounds.precise(place),
        "load_average": load_average(),
        "frequency_mhz": frequency(),
        "clocks": clocks() if _on_cuda(subject.options) else None,
        "denormals": "flushed",
    }
    return _as_measurement(value, found, len(counted), said)


def _on_cuda(options: Any) -> bool:
    where = getattr(options, "device", None) or getattr(options, "provider", None)
    return where in ("cuda", "tensorrt")


def _as_measurement(
    value: float, found: Estimate, count: int, said: Mapping[str, Any]
) -> Measurement:
    low, high = (value * math.exp(sign * found.half) for sign in (-1, 1))
    return Measurement(Latency.name, value, Latency.unit, Latency.better, low, high, count, said)


def _flat(blocks: Sequence[Sequence[float]]) -> list[float]:
    return [ms for block in blocks for ms in block]


def conditions(subject: Subject, params: Any) -> dict[str, Any]:
    """What a timing depends on, besides the artifact."""
    host = fingerprint()
    return {
        "statistic": params.statistic,
        "batch": params.batch,
        "shape": list(subject.data.shape),
        "runtime": subject.runtime.name,
        **subject.options.model_dump(),
        "host": host["host"],
        "cpu": host["cpu"],
    }


def _alike(known: Measurement, now: Mapping[str, Any]) -> bool:
    """Whether the references were measured beside the baseline, in the same way and place."""
    then = known.conditions
    references = then.get("references") or {}
    same = all(then.get(name) == now.get(name) for name in ALIKE)
    return same and bool(references.get("networks")) and references["version"] == VERSION
