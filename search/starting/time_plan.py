"""Chooses epochs and trials that fit the time of a study. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from paretune.search.starting.facts import StartFacts
from paretune.search.starting.section_choice import seconds_text

FINETUNE_STEPS, PRETRAIN_STEPS = 300, 600
"""Optimizer steps that finetuning, and a training from scratch, should have."""

FINETUNE_EPOCHS = (3, 20)
PRETRAIN_EPOCHS = (8, 60)
"""Bounds of their epochs, if the time allows it."""

TRIALS = 40
"""Trials of a study without a time, and those that are wanted of one with a time."""

FEWEST = 16
"""Trials below which epochs are saved instead."""

MOST = 200
"""Most trials that are planned; with more time, trainings become longer instead."""

SHARES = (3.0, 2.0, 1.5, 1.0, 0.75, 0.5, 0.35, 0.25, 0.15, 0.1, 0.05)
"""Shares of the wanted epochs, from the longest training to the shortest."""

PRUNED = 0.7
"""Time of a pruned network's epoch, as a share of the baseline's: half of the pruned networks lose
less."""

USABLE = 0.85
"""Share of the time that is planned; the rest is the final session and what varies."""


@dataclass(frozen=True)
class TimePlan:
    """Epochs and trials of a study.

    Attributes:
        pretrain: Epochs of the baseline's training; 0 if it is trained.
        finetune: Epochs after pruning.
        trials: Number of trials.
        baseline: Seconds of the baseline, with its training.
        trial: Seconds of a mean trial.
    """

    pretrain: int
    finetune: int
    trials: int
    baseline: float
    trial: float

    @property
    def total(self) -> float:
        """Seconds of the study."""
        return self.baseline + self.trials * self.trial


def time_plan(
    facts: StartFacts,
    seconds: float | None,
    networks: int,
    learns: bool,
    fewest: int = FEWEST,
) -> TimePlan | None:
    """Returns the longest trainings with which enough trials fit; None if not one trial fits.

    Args:
        facts: What was measured.
        seconds: Time of the study; None for a moderate one.
        networks: Networks of the family that are trained from scratch.
        learns: Whether trials are trained after pruning.
        fewest: Trials below which epochs are saved instead.
    """
    if seconds is None:
        return _planned(facts, 1.0, TRIALS, networks, learns)
    usable = USABLE * seconds
    shortest: TimePlan | None = None
    for share in SHARES:
        wanted = 2 * TRIALS if share > 1 else fewest
        for trials in (MOST, TRIALS, wanted):
            plan = _planned(facts, share, trials, networks, learns)
            if plan.total <= usable and trials >= wanted:
                return _filled(plan, usable)
        shortest = plan
    assert shortest is not None
    return _filled(shortest, usable)


def shortest_study(facts: StartFacts, networks: int, learns: bool) -> float:
    """Returns the seconds of the shortest study: the baseline and one trial."""
    return _planned(facts, SHARES[-1], 1, networks, learns).total / USABLE


def too_short(time: str, shortest: float, epoch: float) -> str:
    """Returns the error text for a time that is shorter than the baseline and one trial.

    Args:
        time: The time, as the user wrote it.
        shortest: Seconds of the baseline and one trial.
        epoch: Seconds of an epoch; 0 if the network cannot be trained.
    """
    takes = f" (an epoch takes {seconds_text(epoch)})" if epoch else ""
    minutes = max(1, math.ceil(10 * shortest / 60))
    return (
        f"--time {time}: is too short for the baseline and one trial, which take about "
        f"{seconds_text(shortest)}{takes}; give time for ten: --time {minutes}m"
    )


def _planned(facts: StartFacts, share: float, trials: int, networks: int, learns: bool) -> TimePlan:
    steps = max(1, math.ceil(facts.sizes["train"] / (facts.loader_batch or facts.batch)))
    pretrain = 0 if facts.trained else _epochs(PRETRAIN_STEPS / steps, PRETRAIN_EPOCHS, share)
    finetune = _epochs(FINETUNE_STEPS / steps, FINETUNE_EPOCHS, share) if learns else 0
    handling = facts.measure + facts.deploy
    # A sampler that weighs costs takes a trained network in about every other trial.
    trained = min(max(0, networks - 1), max(1, trials // 2))
    scratch = trained * pretrain * facts.epoch * PRUNED
    trial = finetune * facts.epoch * PRUNED + handling + scratch / trials
    return TimePlan(pretrain, finetune, trials, pretrain * facts.epoch + handling, trial)


def _epochs(wanted: float, bounds: tuple[int, int], share: float) -> int:
    low, high = bounds
    return max(1, round(min(max(wanted, low), high) * share))


def _filled(plan: TimePlan, usable: float) -> TimePlan | None:
    """Returns a plan with the trials that fill the time; None if not one fits."""
    from dataclasses import replace

    trials = int((usable - plan.baseline) / plan.trial)
    return replace(plan, trials=min(trials, MOST)) if trials >= 1 else None
