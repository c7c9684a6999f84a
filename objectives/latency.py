"""The objective `latency`: milliseconds of a run, measured so that the host's drift cancels.

A machine's speed drifts by more than two candidates differ. Three measures remove this error:

1. Disturbed runs do not count: runs that were interrupted, and runs that shared their processor
   core with a neighbour (see `timing/contention_probe.py`). A neighbour slows down each network by
   a different factor, so its effect would not cancel in a ratio.
2. Candidate, baseline and reference networks are visited in turn, a few milliseconds each. The
   candidate's level relative to all the others counts, so that common drift cancels. How the
   references relate to the baseline is known from the baseline's own measurement.
3. Visits are grouped in blocks, and each block loads the networks again, because their location in
   memory affects the time.

The interval has two parts. One is the scatter between the blocks. The other is the change of the
ratios between baseline and references since the baseline was measured. It shows how far a single
network moves on this host. `timing/__init__.py` defines run, visit, round, block and session.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from paretune.inputs import sizes
from paretune.objectives.base import Better, Measurement, Subject, ValueSpec, measurement
from paretune.objectives.on_device.rounds import device_rounds
from paretune.objectives.on_device.windows import sustained_latency
from paretune.objectives.params import Params
from paretune.objectives.timing.contention_probe import SLOWER_HOST
from paretune.objectives.timing.estimates import quantile, statistic
from paretune.objectives.timing.reference_networks import NAMES, VERSION
from paretune.objectives.timing.round_estimates import RoundEstimates
from paretune.objectives.timing.rounds import TimingRounds

STATISTICS = ("p50", "p90", "p99", "mean")

SAME_CONDITIONS = (
    *("statistic", "batch", "shape", "runtime", "threads", "provider", "device", "graph"),
    *("host", "cpu", "identity"),
)
"""The known ratios of the references are used only if these conditions are the same as at the
baseline's measurement."""


class Latency:
    """Milliseconds for one batch, timed in turn with baseline and references so that drift cancels.

    With `batch` above 1 it is the time of the whole batch.
    """

    name = "latency"
    unit = "ms"
    better: Better = "lower"
    cost = 2
    values: ClassVar[Mapping[str, ValueSpec]] = {
        "sustained": ValueSpec(
            "ms", "lower", "the same after a time of load, on a device with `sustained`"
        )
    }

    class Params(Params):
        """Options of latency."""

        statistic: Literal["p50", "p90", "p99", "mean"] = Field(
            "p50", description="statistic of the runs: median, a percentile, or the mean"
        )
        batch: int = Field(1, ge=1, le=65536, description="examples in one run")
        precision: float = Field(
            0.02, gt=0, lt=1, description="wanted half width of the 95 % interval, relative"
        )
        seconds: float = Field(2.0, gt=0, le=3600, description="seconds of measuring, at most")
        references: bool = Field(
            True, description="time small reference networks in turn with each candidate"
        )
        spread: float = Field(
            0.0, ge=0, le=86400, description="seconds to spread the blocks over, with pauses"
        )

    @staticmethod
    def measure(subject: Subject, params: Any, part: str) -> Measurement | list[Measurement]:
        """Times the artifact in turn with the references and the baseline, if there is one."""
        return Latency.measure_together([subject], params)[0]

    @staticmethod
    def measure_together(
        subjects: Sequence[Subject], params: Any, pause: Callable[[float], object] = time.sleep
    ) -> list[Measurement | list[Measurement]]:
        """Times several artifacts of one study in one session, which compares them best.

        It takes up to `seconds` for each artifact, and up to twice as long on a disturbed host, to
        find calm moments. `timing.differences` compares the measurements.

        Args:
            subjects: Artifacts with the same runtime, options, data and baseline.
            params: Options.
            pause: Waits for some seconds between two blocks, with `spread`. The thread is not
                pinned then, so other work can run.

        Returns:
            A measurement for each; on a device with `sustained` two, as each is then timed under
            load.

        Raises:
            Unmeasurable: There are no inputs.
        """
        first = subjects[0]

        def known_ratios(place: Mapping[str, Any]) -> Sequence[float] | None:
            return _known_ratios(first, params, place)

        rounds: RoundEstimates
        if first.device is not None:
            rounds = device_rounds(subjects, params, known_ratios, pause)
        else:
            rounds = TimingRounds(subjects, params, known_ratios)
            rounds.run(pause)
        cold = [_measurement(each, params, rounds, index) for index, each in enumerate(subjects)]
        if first.device is None or first.device.sustained is None:
            return [*cold]
        under_load = [sustained_latency(Latency, subject, params) for subject in subjects]
        return [list(both) for both in zip(cold, under_load, strict=True)]


def _known_ratios(
    subject: Subject, params: Any, place: Mapping[str, Any]
) -> Sequence[float] | None:
    """Returns the logarithms of the references' ratios to the baseline.

    None if the baseline was not measured with these references under the same conditions.
    """
    baseline = subject.baseline_measurements.get(Latency.name)
    if baseline is None or not _comparable(baseline, conditions(subject, params, place)):
        return None
    ratios: Sequence[float] = baseline.conditions["references"]["log_ratios"]
    return ratios


def _measurement(subject: Subject, params: Any, rounds: RoundEstimates, index: int) -> Measurement:
    """Returns the measurement of subject number `index` of a session.

    A candidate's value is its ratio to the baseline, times the baseline's own measurement.
    """
    runs, estimate = rounds.subjects[index], rounds.estimate(index)
    baseline = rounds.baseline or runs
    measured = subject.baseline_measurements.get(Latency.name) if rounds.baseline else None
    value = math.exp(estimate.value) * (measured.value if measured else 1.0)
    counted, baseline_counted = (
        _flat(each.counted_ms(rounds.counted_blocks())) for each in (runs, baseline)
    )
    figures = {name: statistic(counted, name) for name in STATISTICS}
    levels = zip(rounds.log_levels(runs), rounds.log_levels(baseline), strict=True)
    log_ratios = [level - baseline_level for level, baseline_level in levels]
    left_out = rounds.left_out()
    names = [*NAMES[: len(rounds.references)], "baseline"]
    best = rounds.best_ms
    best_then = (measured.conditions if measured else {}).get("probe_ms") or best
    details = {
        **conditions(subject, params, rounds.place()),
        "relative_to": "baseline" if rounds.baseline else None,
        "ratio": math.exp(estimate.value) if rounds.baseline else 1.0,
        "ratio_beside_baseline": math.exp(math.fsum(log_ratios) / len(log_ratios)),
        "raw_ms": figures[params.statistic],
        "raw_baseline_ms": statistic(baseline_counted, params.statistic),
        **{f"{name}_ms": figure for name, figure in figures.items()},
        "iqr_ms": quantile(counted, 0.75) - quantile(counted, 0.25),
        "references": {
            "version": VERSION,
            "networks": list(NAMES[: len(rounds.references)]),
            "log_ratios": rounds.log_ratios(runs),
            "used": rounds.known_ratios is not None,
            "why_none": rounds.why_no_references,
            **({"left_out": names[left_out]} if left_out is not None else {}),
        },
        "session": rounds.session(index),
        "visits": runs.visits,
        "blocks": len(runs.blocks),
        "disturbed": runs.disturbed_share(),
        "disturbed_host": rounds.disturbed or best > SLOWER_HOST * best_then,
        "interruptions_seen": runs.has_cpu_clock,
        "probe_ms": best,
        "warm_up_runs": rounds.warm_up_runs[index],
        "precise_enough": rounds.is_precise(index),
        **rounds.machine(),
    }
    interval = (value * math.exp(-estimate.half), value * math.exp(estimate.half))
    return measurement(Latency, value, interval, len(counted), details)


def _flat(blocks: Sequence[Sequence[float]]) -> list[float]:
    return [ms for block in blocks for ms in block]


def conditions(subject: Subject, params: Any, place: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the conditions of a timing, other than the artifact.

    Args:
        subject: What is timed.
        params: Options.
        place: The conditions that name the machine.
    """
    return {
        "statistic": params.statistic,
        "batch": params.batch,
        "shape": sizes(subject.data.shape),
        "runtime": subject.runtime.name,
        **subject.options.model_dump(),
        **place,
    }


def _comparable(baseline: Measurement, now: Mapping[str, Any]) -> bool:
    """Returns whether the baseline was timed with these references, under the same conditions."""
    then = baseline.conditions
    references = then.get("references") or {}
    same = all(then.get(name) == now.get(name) for name in SAME_CONDITIONS)
    return same and bool(references.get("networks")) and references["version"] == VERSION
