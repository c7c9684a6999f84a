"""The epochs of the trainings in a round: few at first, more for what is promising. Pure.

The epochs that the study file gives are the full ones. The first round trains a quarter of them,
the second half, the others all. A round also allows the epochs of the round before it, so that
the sampler, which weighs gain and cost, still learns from those trials.

This is successive halving (Jamieson and Talwalkar 2016, https://arxiv.org/abs/1502.07943) in
rounds: a promising network is trained again with more epochs, from its beginning.
"""

from __future__ import annotations

from collections.abc import Mapping

from paretune.search.optimizing.space_edits import SetEpochs, Space, written_literals
from paretune.spaces.domains import Node

SHORT = (0.25, 0.5)
"""Shares of the full epochs in the first rounds."""

LEAST_EPOCHS = 4
"""Trainings of fewer epochs are never shortened."""

LEAST_SHARE = 0.5
"""Trainings are shortened only if they take at least this share of a trial's time."""


def full_epochs(space: Space, tree: Node) -> dict[str, int]:
    """Returns name -> epochs of the trainings whose epochs the section `space` fixes."""
    return {
        name: value
        for name, value in written_literals(space, tree)
        if name.rpartition(".")[2] == "epochs" and isinstance(value, int) and value >= LEAST_EPOCHS
    }


def shares_of(rounds: int, epochs: Mapping[str, int], training_share: float) -> tuple[float, ...]:
    """Returns the share of the full epochs in each planned round.

    Args:
        rounds: Number of rounds.
        epochs: Name -> full epochs.
        training_share: Share of a trial's time that its training takes.
    """
    if not epochs or training_share < LEAST_SHARE:
        return (1.0,) * rounds
    short = SHORT[-(rounds - 1) :] if rounds > 1 else ()
    return (*short, *(1.0,) * (rounds - len(short)))


def epochs_in(full: int, share: float) -> int:
    """Returns a share of the full epochs, at least 1."""
    return max(1, round(share * full))


def epoch_edits(
    full: Mapping[str, int], share: float, earlier: float | None = None
) -> list[SetEpochs]:
    """Returns the edits that give a round its epochs.

    Args:
        full: Name -> full epochs.
        share: Share of the full epochs in this round.
        earlier: That of the round before; None in the first round.
    """
    reason = "all epochs" if share >= 1 else f"{100 * share:.0f} % of the full number"
    edits = []
    for name, epochs in full.items():
        shares = (share,) if earlier is None else (min(earlier, share), share)
        values = tuple(sorted({epochs_in(epochs, each) for each in shares}))
        edits.append(SetEpochs(name, values, reason))
    return edits
