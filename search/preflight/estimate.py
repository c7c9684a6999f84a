"""Estimates how long a trial and a study take, from random plans that are built on an excerpt.

The time of an epoch per unit of work (`building.training_cost`) is measured on these plans. The
work is then added up for more random plans. A sampler that weighs costs takes the cheap ones more
often, so the cheaper half counts for it.
"""

from __future__ import annotations

import math
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paretune.search.building.stage_cache import StageCache
from paretune.search.building.training_cost import TrainingCosts
from paretune.search.preflight.attempts import Refusal, attempt
from paretune.search.preflight.rehearsal import Rehearsal, Rehearsed
from paretune.search.preflight.short_plans import batch_size
from paretune.search.preflight.variants import random_choices
from paretune.search.study.durations import duration
from paretune.search.study.elastic import ELASTIC, subnets_per_step
from paretune.search.study.number_formats import variant_formats
from paretune.search.study.plan import Plan
from paretune.search.study.sampler_options import uses_surrogate
from paretune.search.study.spec import StudySpec, canonical
from paretune.search.study.stage import Stage

__all__ = ["Estimate", "duration", "estimate"]

PLANS, LEAST_PLANS = 8, 3
"""Random plans that are built, at most and at least; a quick rehearsal builds the fewest."""

KNOWN = 0.2
"""No more plans are built if the standard error of the mean time of deploying one is at most this
share of it."""

SIMULATED = 64
"""Random plans of which the training is added up; the first stages of several may be the same."""

DEFAULT_TRIALS = 100

FINAL_SHARE, SHORTEST, LONGEST = 0.1, 10.0, 120.0
"""The final session as a share of the trials' time, and its bounds in seconds."""

USUAL_FRONT, REPEATED = 8, 1.5
"""Members of a usual front, and trials for each of them that are trained again with other seeds."""


@dataclass(frozen=True)
class Estimate:
    """How long a study takes with one worker.

    Attributes:
        trial: Seconds of a mean trial.
        baseline: Seconds of the baseline.
        total: Seconds of the study: baseline, trials, and the measurements at the end.
        trials: Number of trials.
        shares: Share of training, deploying and measuring in a trial.
        plans: Number of random plans that were built.
    """

    trial: float
    baseline: float
    total: float
    trials: int
    shares: Mapping[str, float]
    plans: int

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON; times are in seconds."""
        return vars(self) | {"shares": dict(self.shares)}

    def text(self) -> str:
        """Returns `about 40 s per trial, 33 min for 50 trials; of it training 80 %, ...`."""
        parts = ", ".join(f"{name} {100 * share:.0f} %" for name, share in self.shares.items())
        return f"{self.short()}; of it {parts}"

    def short(self) -> str:
        """Returns `about 40 s per trial, 33 min for 50 trials`."""
        trials = f"{self.trials} trials" if self.trials > 1 else "1 trial"
        return f"about {duration(self.trial)} per trial, {duration(self.total)} for {trials}"


def estimate(rehearsal: Rehearsal) -> Estimate | None:
    """Estimates the time of a study; None if the baseline or no plan can be built."""
    if rehearsal.network is None or "measure" not in rehearsal.seconds:
        return None
    rehearsed, deploying = _rehearsed(rehearsal)
    costs = _Costs(rehearsal)
    rates = [
        (seconds, cost)
        for each in (rehearsal.network, *rehearsed)
        for seconds, cost in costs.timed(each)
    ]
    rate = sum(seconds for seconds, _ in rates) / (sum(cost for _, cost in rates) or 1.0)
    trials = rehearsal.spec.trials or DEFAULT_TRIALS
    plans = _random_plans(rehearsal, min(trials, SIMULATED))
    training = rate * _mean_work(costs, plans, _weighs_costs(rehearsal.spec))
    deploy = sum(deploying) / len(deploying) if deploying else rehearsal.seconds["deploy"]
    parts = {
        "training": training,
        "deploying": deploy,
        "measuring": rehearsal.seconds["measure"],
    }
    trial = sum(parts.values())
    first = deploy + parts["measuring"] + sum(costs.seconds(rehearsal.network))
    variants = _variants(rehearsal) * (deploy + parts["measuring"])
    searched = trials * (trial + variants)
    return Estimate(
        trial,
        first,
        first + searched + _repeats(rehearsal, trials, trial) + _final(rehearsal, searched),
        trials,
        {name: value / trial for name, value in parts.items()},
        len(rehearsed),
    )


def _repeats(rehearsal: Rehearsal, trials: int, seconds: float) -> float:
    """Returns the seconds of trainings with other seeds, of a front of a usual size.

    Args:
        rehearsal: The rehearsal.
        trials: Number of trials.
        seconds: Seconds of one trial.
    """
    networks = REPEATED * min(trials, USUAL_FRONT)
    return (rehearsal.spec.repeats - 1) * networks * seconds


class _Costs:
    """The work of trainings: multiply-adds per example, times epochs."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        cache = StageCache(rehearsal.folder / "counts", rehearsal.store)
        self._rehearsal = rehearsal
        self._costs = TrainingCosts(rehearsal.real, cache, rehearsal.data)

    def cost(self, stage: Stage, plan: Plan) -> float:
        """Returns the work of a stage, per training example."""
        cost = stage.epochs * self._costs.example(plan.stages[0].params["architecture"])
        if stage.kind == ELASTIC:
            cost *= subnets_per_step(stage.params[ELASTIC])
        return cost if math.isfinite(cost) else 0.0

    def timed(self, rehearsed: Rehearsed) -> list[tuple[float, float]]:
        """Returns (seconds, work) of each training stage that was timed."""
        stages = [s for s in rehearsed.plan.stages if s.kind in rehearsed.epochs]
        costs = [self.cost(stage, rehearsed.plan) for stage in stages]
        return list(zip(self.seconds(rehearsed), costs, strict=True))

    def seconds(self, rehearsed: Rehearsed) -> list[float]:
        """Returns the seconds that each timed stage takes with all its epochs and examples."""
        loading = self._rehearsal.load_seconds(batch_size(rehearsed.plan) or 1)
        workers = self._rehearsal.spec.data.params.get("workers", 0)
        return [
            stage.epochs * _joined(rehearsed.epochs[stage.kind] / rehearsed.share, loading, workers)
            for stage in rehearsed.plan.stages
            if stage.kind in rehearsed.epochs
        ]


def _joined(training: float, loading: float, workers: int) -> float:
    """Returns the seconds of an epoch; processes that read files work at the same time."""
    return max(training, loading) if workers else training + loading


def _rehearsed(rehearsal: Rehearsal) -> tuple[list[Rehearsed], list[float]]:
    """Builds random plans; returns them and the seconds that each takes to deploy."""
    rehearsed: list[Rehearsed] = []
    seconds: list[float] = []
    for plan in _random_plans(rehearsal, LEAST_PLANS if rehearsal.quick else PLANS):
        if (rehearsal.over and rehearsed) or _is_known(seconds):
            break
        built = attempt("pretrain", lambda plan=plan: rehearsal.build(plan))  # type: ignore[misc]
        if isinstance(built, Refusal):
            continue
        rehearsed.append(built)
        if not rehearsal.quick:
            begun = time.perf_counter()
            for target in rehearsal.targets:
                attempt("deploy", lambda t=target, b=built: rehearsal.deploy(b.candidate, t))  # type: ignore[misc]
            seconds.append(time.perf_counter() - begun)
    return rehearsed, seconds


def _is_known(seconds: Sequence[float]) -> bool:
    """Returns whether enough plans were deployed to know how long one takes."""
    if len(seconds) < LEAST_PLANS:
        return False
    error = statistics.stdev(seconds) / math.sqrt(len(seconds))
    return error <= KNOWN * statistics.fmean(seconds)


def _random_plans(rehearsal: Rehearsal, count: int) -> list[Plan]:
    spec = rehearsal.spec
    return [rehearsal.plan(choices) for choices in random_choices(spec.space, count, spec.seed)]


def _mean_work(costs: _Costs, plans: Sequence[Plan], cheap_half: bool) -> float:
    """Returns the mean training work of a plan; plans with the same first stages share theirs.

    Args:
        costs: The work of a stage.
        plans: Random plans.
        cheap_half: Whether only the cheaper half of the plans counts.
    """
    trained = [_training_stages(plan) for plan in plans]
    users = Counter(key for stages in trained for key in stages)
    works = sorted(
        sum(costs.cost(stage, plan) / users[key] for key, stage in stages.items())
        for plan, stages in zip(plans, trained, strict=True)
    )
    counted = works[: max(1, (len(works) + 1) // 2)] if cheap_half else works
    return sum(counted) / max(1, len(counted))


def _training_stages(plan: Plan) -> dict[str, Stage]:
    """Returns key -> training stage; the key holds all stages before it."""
    return {
        canonical(Plan(plan.stages[: index + 1]).to_json()): stage
        for index, stage in enumerate(plan.stages)
        if _learns(stage)
    }


def _weighs_costs(spec: StudySpec) -> bool:
    """Returns whether the sampler prefers networks that are cheap to train."""
    return uses_surrogate(spec.sampler) and bool(spec.sampler.params.get("cost_aware", True))


def _learns(stage: Stage) -> bool:
    if stage.kind == "deploy":
        return False
    recipe = stage.params.get("recipe", {})
    return recipe is not None and stage.trains


def _variants(rehearsal: Rehearsal) -> float:
    """Returns how many further formats a trial is deployed in at once."""
    spec = rehearsal.spec
    return max(len(variant_formats(spec)) - 1, 0) if spec.format_variants is True else 0


def _final(rehearsal: Rehearsal, searched: float) -> float:
    """Returns the longest time of the final session in seconds."""
    seconds = rehearsal.spec.final_seconds
    if not any(target.gauge.timed for target in rehearsal.targets):
        return 0.0
    return min(max(FINAL_SHARE * searched, SHORTEST), LONGEST) if seconds is None else seconds
