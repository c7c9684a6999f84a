"""The mean over seeds of trials that were trained more than once. Pure.

A trained network is one draw, and the front consists of the best of many draws, so chance flatters
its members (the winner's curse: Bouthillier et al. 2021, Accounting for variance in machine
learning benchmarks, section 3). With `search: {repeats: N}`, the members of the front and trials
near it are trained N - 1 times more with other seeds (`running.seed_repeats`). Their scores then
are means over all N trainings, and these means decide which trials are on the front:

- A member that another trial now dominates, that breaks a constraint by its mean, or of which a
  further training gave no usable network, is not confirmed and leaves the front.
- A trial near the front, whose first training was unlucky, comes in by its mean.
- A trial that was not trained again stays outside: a lucky first training must not win.

The first training is one of the N, so its luck still counts with weight 1/N. How large that luck is
follows from the further trainings, which chose nothing; it is shown.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from paretune.objectives.base import Measurement
from paretune.search.front.noisy_points import Z95
from paretune.search.study.records import StudyRecord, TrialRecord
from paretune.search.study.seed_results import SeedResult

SEEDS = "seeds"
"""The condition of a mean over seeds: {"count", "values", "deviation", "single"}."""

T95 = (
    12.706,
    4.303,
    3.182,
    2.776,
    2.571,
    2.447,
    2.365,
    2.306,
    2.262,
    2.228,
    2.201,
    2.179,
    2.160,
    2.145,
    2.131,
    2.120,
    2.110,
    2.101,
    2.093,
    2.086,
    2.080,
    2.074,
    2.069,
    2.064,
    2.060,
    2.056,
    2.052,
    2.048,
    2.045,
)
"""97.5 % quantiles of Student's t for 1, 2, ... degrees of freedom (SciPy takes longer to import
than `paretune front` takes)."""


@dataclass(frozen=True)
class SeedSpread:
    """The trainings behind a mean.

    Attributes:
        count: Number of trainings.
        values: Value of each; the first is that of the network which `export` hands over.
        deviation: Standard deviation between them, with count - 1 in its denominator.
    """

    count: int
    values: tuple[float, ...]
    deviation: float


def repeats_of(source: Mapping[str, Any]) -> int:
    """Returns the option `search.repeats` of a study file, as its database keeps it."""
    section = source.get("search")
    value = section.get("repeats") if isinstance(section, Mapping) else None
    return value if isinstance(value, int) else 1


def seed_spread(measured: Measurement | None) -> SeedSpread | None:
    """Returns the trainings behind a measurement; None if it is that of a single one."""
    seeds = measured.conditions.get(SEEDS) if measured is not None else None
    if not seeds:
        return None
    return SeedSpread(seeds["count"], tuple(seeds["values"]), seeds["deviation"])


def seed_mean(single: Measurement, others: Sequence[Measurement]) -> Measurement:
    """Returns the mean over seeds, with an interval of both errors.

    Two independent errors add up as squares: that of n seeds, Student's t times s / sqrt(n)
    (Student 1908, https://doi.org/10.2307/2331554), and that of the finite number of examples, the
    mean of the n intervals. The intervals need not be symmetric (MOVER: Zou and Donner 2008,
    https://doi.org/10.1002/sim.3095). All seeds are measured on the same examples, so more seeds
    do not make the second one smaller.

    Args:
        single: The measurement of the trial's own network.
        others: Those of its further trainings; one at least.
    """
    every = [single, *others]
    values = [m.value for m in every]
    mean, deviation = statistics.fmean(values), statistics.stdev(values)
    half = t_quantile(len(values) - 1) * deviation / math.sqrt(len(values))
    below = statistics.fmean(m.value - m.low for m in every)
    above = statistics.fmean(m.high - m.value for m in every)
    low, high = mean - math.hypot(half, below), mean + math.hypot(half, above)
    if min(m.low for m in every) >= 0:
        low = max(low, 0.0)
    if single.unit == "fraction":
        high = min(high, 1.0)
    seeds = {
        "count": len(values),
        "values": values,
        "deviation": deviation,
        "single": single.value,
    }
    return replace(
        single,
        value=mean,
        low=low,
        high=high,
        conditions={**single.conditions, SEEDS: seeds},
        per_example=None,
    )


def t_quantile(freedom: int) -> float:
    """Returns the 97.5 % quantile of Student's t; `freedom` is 1 at least."""
    return T95[min(freedom, len(T95)) - 1]


def with_seed_means(record: StudyRecord) -> StudyRecord:
    """Returns the record; trials that were trained again have their means."""
    most = repeats_of(record.source)
    if most < 2 or not any(trial.seeds for trial in record.trials):
        return record
    base = record.baseline
    reference = {**base.measurements, **base.final} if base else {}
    trials = tuple(
        _with_means(trial, most, record.targets, reference) if trial.seeds else trial
        for trial in record.trials
    )
    return replace(record, trials=trials)


def without_seed_means(trial: TrialRecord) -> TrialRecord:
    """Returns a trial with the measurements of its own network, which `export` hands over."""
    if not trial.single:
        return trial
    measured = {**trial.measurements, **trial.single.get("validation", {})}
    test = {**trial.test, **trial.single.get("test", {})}
    values = {name: measured[name].value for name in trial.values}
    return replace(trial, values=values, measurements=measured, test=test, single={})


def with_own_networks(record: StudyRecord) -> StudyRecord:
    """Returns the record with the measurements of the trials' own networks; the front stays."""
    return replace(record, trials=tuple(map(without_seed_means, record.trials)))


def with_seed_noise(record: StudyRecord, deviations: Mapping[str, float]) -> StudyRecord:
    """Returns the record; the intervals of single trainings hold the noise between seeds, too.

    Args:
        record: The study, by the measurements of the search.
        deviations: Objective -> standard deviation between seeds; of others it is 0.
    """

    def widened(measured: Measurement) -> Measurement:
        deviation = deviations.get(measured.name, 0.0)
        if not deviation:
            return measured
        low = measured.value - math.hypot(measured.value - measured.low, Z95 * deviation)
        high = measured.value + math.hypot(measured.high - measured.value, Z95 * deviation)
        return replace(measured, low=low, high=high, per_example=None)

    trials = (
        replace(t, measurements={name: widened(m) for name, m in t.measurements.items()})
        for t in record.trials
    )
    return replace(record, trials=tuple(trials))


def _with_means(
    trial: TrialRecord,
    most: int,
    targets: Sequence[str],
    reference: Mapping[str, Measurement],
) -> TrialRecord:
    complete = [r for r in used(trial, most) if r.state == "complete"]
    if trial.single or not complete:
        return trial
    validation = _means(trial.measurements, [r.validation for r in complete])
    test = _means(trial.test, [r.test for r in complete])
    measured = {**trial.measurements, **validation}
    single = {
        "validation": {name: trial.measurements[name] for name in validation},
        "test": {name: trial.test[name] for name in test},
    }
    return replace(
        trial,
        values={name: measured[name].value for name in trial.values},
        measurements=measured,
        test={**trial.test, **test},
        single={part: of_part for part, of_part in single.items() if of_part},
        violations=_violations(trial, measured, validation, targets, reference),
    )


def _means(
    own: Mapping[str, Measurement], others: Sequence[Mapping[str, Measurement]]
) -> dict[str, Measurement]:
    means = {}
    for name, measured in own.items():
        repeated = [other[name] for other in others if name in other]
        if repeated and not _is_fixed([measured, *repeated]):
            means[name] = seed_mean(measured, repeated)
    return means


def _is_fixed(every: Sequence[Measurement]) -> bool:
    """Returns whether a quantity is exact, and the same for all seeds."""
    return len({end for m in every for end in (m.low, m.value, m.high)}) == 1


def _violations(
    trial: TrialRecord,
    measured: Mapping[str, Measurement],
    means: Mapping[str, Measurement],
    targets: Sequence[str],
    reference: Mapping[str, Measurement],
) -> dict[str, float]:
    """Returns the violations of constraints, of those on a mean by the mean."""
    from paretune.search.study.constraints import read_constraint  # most studies do not need it

    violations = dict(trial.violations)
    units = {name: m.unit for name, m in measured.items()}
    for text in violations if means else ():
        constraint = read_constraint(text, units, targets)
        if constraint.quantity in means:
            relative = constraint.bound.relative
            base = reference[constraint.quantity].value if relative else 0.0
            violations[text] = constraint.violation(measured[constraint.quantity].value, base)
    return violations


def used(trial: TrialRecord, most: int) -> tuple[SeedResult, ...]:
    """Returns the further trainings of a trial that a study with `repeats: most` uses.

    One in which a stage raised an error says nothing of the network: it is trained again.
    """
    return tuple(r for r in trial.seeds if r.repeat < most and r.state != "failed")


def decided_trials(record: StudyRecord) -> frozenset[int] | None:
    """Returns the trials among which the means decide the front.

    These are the baseline, which is one definite network, and the trials whose further trainings
    all gave a network, or that train nothing of their own.

    Returns:
        None if the study asks for no repeats, or a member of the front was not trained again yet.
    """
    most = repeats_of(record.source)
    if most < 2:
        return None
    seeds = {trial.number: used(trial, most) for trial in record.trials}
    members = search_members(record) - {0}
    if not members or not all(seeds.get(number) for number in members):
        return None
    kept = {
        number for number, results in seeds.items() if results and not infeasible_training(results)
    }
    return frozenset(kept | {0})


def infeasible_training(results: Sequence[SeedResult]) -> SeedResult | None:
    """Returns the first of some trainings that gave no usable network, if there is one."""
    return next((result for result in results if result.state == "infeasible"), None)


def search_members(record: StudyRecord) -> frozenset[int]:
    """Returns the numbers of the trials on the front of the search."""
    return frozenset(record.growth[-1].members if record.growth else ())
