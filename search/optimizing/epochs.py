"""The epochs of the trainings in a round: few at first, more for what is promising. Pure.

The epochs that the study file gives are the full ones. The first round trains a quarter of them,
the second half, the others all. A round also allows the epochs of the rounds before it, so that the
sampler, which weighs gain and cost, still learns from their trials.

This is successive halving (Jamieson and Talwalkar 2016, https://arxiv.org/abs/1502.07943) in
rounds: a promising network is trained again with more epochs, from its beginning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from paretune.search.optimizing.evidence import Evidence
from paretune.search.optimizing.space_edits import SetEpochs, Space, written_literals
from paretune.search.optimizing.time_plan import TrialTime
from paretune.spaces.domains import Node

SHORT = (0.25, 0.5)
"""Shares of the full epochs in the first rounds."""

ENOUGH = 16
"""Number of longer trials after which a round allows no short ones any more."""

SPARE = 16
"""Number of trials that must still fit before trainings become longer.

As many must fit in all for shorter trainings: with fewer, none is left to train the best again.
"""

MOST_SHARE = 4.0
"""Trainings never become longer than this many times the full epochs."""

LEAST_EPOCHS = 4
"""Trainings of fewer epochs are never shortened."""

LEAST_SHORT = 3
"""No training is shortened to fewer epochs: it would say little about the longer one."""

LEAST_SHARE = 0.5
"""Trainings are shortened only if they take at least this share of a trial's time."""


def full_epochs(space: Space, tree: Node) -> dict[str, int]:
    """Returns name -> epochs of the trainings whose epochs the section `space` fixes."""
    return {
        name: value
        for name, value in written_literals(space, tree)
        if name.rpartition(".")[2] == "epochs" and isinstance(value, int) and value >= LEAST_EPOCHS
    }


def shares_of(
    rounds: int, epochs: Mapping[str, int], seconds: float, trial: TrialTime
) -> tuple[float, ...]:
    """Returns the share of the full epochs in each planned round.

    Args:
        rounds: Number of rounds.
        epochs: Name -> full epochs.
        seconds: Seconds for all trials.
        trial: How long a trial takes with all epochs.
    """
    few = seconds < SPARE * trial.seconds
    if not epochs or few or trial.training_share < LEAST_SHARE:
        return (1.0,) * rounds
    long_enough = [share for share in SHORT if share * min(epochs.values()) >= LEAST_SHORT]
    short = long_enough[-(rounds - 1) :] if rounds > 1 else ()
    return (*short, *(1.0,) * (rounds - len(short)))


def epoch_factor(seconds: float, trial: TrialTime, trials: int) -> int:
    """Returns by what to multiply the full epochs, once the baseline's training was timed.

    They were chosen by a few batches. If another program was busy then, a trial may take far less.

    Args:
        seconds: Seconds that are left for trials.
        trial: How long a trial takes with all epochs.
        trials: Number of trials for which the epochs were chosen.
    """
    factor = 1
    while 2 * factor <= MOST_SHARE and seconds >= trials * trial.at(2 * factor) > 0:
        factor *= 2
    return factor if trial.training else 1


def longer_shares(
    shares: Sequence[float], number: int, seconds: float, trial: TrialTime
) -> tuple[float, ...]:
    """Returns the share of the full epochs in each round, with longer trainings if time abounds.

    Once a round has trained all epochs, the rounds after it may train twice as many, and so on, as
    long as the rest of the time has room for `SPARE` such trials.

    Args:
        shares: Share of each planned round.
        number: The round that has ended.
        seconds: Seconds that are left for trials.
        trial: How long a trial takes with all epochs.
    """
    reached = shares[min(number, len(shares)) - 1] if number else 0.0
    longer = 2 * reached
    time = max(trial.at(longer), 1e-6)
    if reached < 1 or longer > MOST_SHARE or not trial.training or seconds / time < SPARE:
        return tuple(shares)
    rest = max(1, len(shares) - number)
    padded = (*shares, *(shares[-1],) * number)[:number]
    return (*padded, *(longer,) * rest)


def epochs_in(full: int, share: float) -> int:
    """Returns a share of the full epochs, at least 1."""
    return max(1, round(share * full))


def epoch_edits(full: Mapping[str, int], shares: Sequence[float]) -> list[SetEpochs]:
    """Returns the edits that give a round its epochs.

    Args:
        full: Name -> full epochs.
        shares: Shares of the full epochs that its trials may train; the largest last.
    """
    largest = shares[-1]
    if largest > 1:
        reason = f"{largest:g} times the full number, as there is time"
    else:
        reason = "all epochs" if largest == 1 else f"{100 * largest:.0f} % of the full number"
    return [
        SetEpochs(name, tuple(sorted({epochs_in(epochs, share) for share in shares})), reason)
        for name, epochs in full.items()
    ]


def trained_shares(full: Mapping[str, int], trials: Sequence[Evidence]) -> list[float]:
    """Returns the share of the full epochs that each trial trained, where it chose the epochs."""
    shares = []
    for trial in trials:
        chosen = [
            float(trial.params[name]) / epochs
            for name, epochs in full.items()
            if name in trial.params
        ]
        shares += [min(chosen)] if chosen else []
    return shares


def kept_shares(shares: Sequence[float], trained: Sequence[float]) -> tuple[float, ...]:
    """Returns the shares of the full epochs that the next round allows.

    The sampler learns from the trials whose epochs are still allowed. So short trainings stay until
    ENOUGH trials trained longer.

    Args:
        shares: Share of each round so far, and of the next one at the end.
        trained: Share of each trial that chose its epochs.
    """
    distinct = sorted(set(shares))
    return tuple(
        share
        for share, longer in zip(distinct, [*distinct[1:], None], strict=True)
        if longer is None or sum(each >= 0.9 * longer for each in trained) < ENOUGH
    )
