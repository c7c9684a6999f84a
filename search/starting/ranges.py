"""Values that are tried, and the ranges that follow from the results. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from paretune.search.starting.facts import TriedOption, TriedRate

HALF = 0.5
"""Ratio at which pruning is tried first."""

RATIOS = (0.1, 0.2, 0.8)
"""Further ratios of structured pruning that are tried."""

CRITERIA = ("magnitude", "taylor")
"""Criteria of structured pruning that are tried."""

RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
"""Learning rates of AdamW that are tried, in rising order."""

KEPT_FLOAT = 3
"""Most layers that stay in float, if static int8 loses too much."""

ALIGNMENTS = (16, 8, 4, 2, 1)

LEAST_STEPS = 4
"""Least widths that a typical layer can still take: `round_to` is at most a quarter of it."""

UNCHANGED = 0.995
"""A pruning that leaves this share of the multiply-adds or more has removed nothing."""


def round_to_of(units: Iterable[int], alignment: int) -> int:
    """Returns the multiple of channels that pruned layers keep.

    Args:
        units: Units of each layer that can be pruned.
        alignment: Channels that the kernels of the runtime take at once.
    """
    ordered = sorted(units)
    if not ordered:
        return min(alignment, 8)
    typical = ordered[len(ordered) // 3]  # narrow layers must stay prunable as well
    fits = (n for n in ALIGNMENTS if n <= alignment and n * LEAST_STEPS <= typical)
    return next(fits, 1)


def ratio_range(tried: Sequence[TriedOption]) -> tuple[float, float] | None:
    """Returns the lowest and the highest useful ratio; None if pruning works with none.

    Args:
        tried: Structured pruning with each ratio.
    """
    works = {t.params["ratio"]: t.macs for t in tried if t.works and t.params.get("ratio")}
    useful = sorted(r for r, macs in works.items() if macs is None or macs < UNCHANGED)
    if not useful:
        return None
    high = useful[-1]
    return (min(useful[0], high / 2), high)


def best_rate(rates: Sequence[TriedRate]) -> float | None:
    """Returns the learning rate with the lowest loss; None if all trainings diverged."""
    losses = [(rate.loss, rate.lr) for rate in rates if rate.loss is not None]
    return min(losses)[1] if losses else None


def rate_range(rates: Sequence[TriedRate], default: float, trained: bool) -> tuple[float, float]:
    """Returns the range of learning rates for finetuning around the best one that was tried.

    A short training favours high rates, so the range goes further down than up.

    Args:
        rates: Learning rates that were tried.
        default: The centre if none was tried.
        trained: Whether they were tried on a trained network. A training from scratch takes higher
            rates than finetuning.
    """
    best = best_rate(rates) or default
    diverged = [rate.lr for rate in rates if rate.loss is None]
    high = best * 3 if trained else best
    if diverged:
        high = min(high, min(diverged) / 3)
    return _rounded(best / 10), _rounded(max(high, best))


def _rounded(value: float) -> float:
    """Returns the nearest of 1, 2, 3 and 5 times a power of ten."""
    power = math.floor(math.log10(value))
    nearest = min((1, 2, 3, 5, 10), key=lambda n: abs(math.log(value / (n * 10**power))))
    return float(f"{nearest}e{power}")
