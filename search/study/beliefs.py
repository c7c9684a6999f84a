"""Beliefs: where a user expects good values of a parameter, as the study file states them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from paretune.spaces.domains import Choice, Float, Int

DEFAULT_SPREAD = 0.15
"""Spread of a number without one, as a share of its domain."""

LEAST_SPREAD = 0.02
"""Least spread, as a share of the domain: no belief is sharper than a fiftieth of it."""

WITHOUT_PRIOR = {
    "random": "draws uniformly",
    "qmc": "spreads its trials evenly",
    "grid": "tries every plan in order",
}
"""Sampler that cannot use beliefs -> why."""

EXAMPLES = "0.4 +- 0.1, or 1e-3 x/ 3 (a factor of 3)"

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_SPREAD = re.compile(rf"^\s*({_NUMBER})\s*(?:(\+-|\+/-|±)|(x/|\*/|×/|/x))\s*({_NUMBER})\s*$")


@dataclass(frozen=True)
class NumberBelief:
    """A number that is probably good.

    Attributes:
        center: The most probable position within the domain, in [0, 1].
        spread: Standard deviation around it, as a share of the domain.
    """

    center: float
    spread: float


@dataclass(frozen=True)
class OptionBelief:
    """Options that are probably good.

    Attributes:
        shares: Label -> probability, of all options of the choice; their sum is 1.
    """

    shares: Mapping[str, float]


Belief = NumberBelief | OptionBelief


def number_belief(value: object, domain: Float | Int) -> NumberBelief:
    """Reads `0.4 +- 0.1`, `1e-3 x/ 3` or a plain number.

    Raises:
        ValueError: It is not such a text, or the number lies outside the domain.
    """
    center, spread, factor = _number_and_spread(value)
    if not domain.low <= center <= domain.high:
        raise ValueError(f"must be from {domain.low:g} to {domain.high:g}, got {center:g}")
    middle = position(domain, center)
    if spread is None:
        return NumberBelief(middle, DEFAULT_SPREAD)
    if factor and domain.low <= 0:
        raise ValueError(
            f"x/ needs a domain of numbers above 0, this one begins at {domain.low:g}; write "
            f"{center:g} +- {abs(center) / 2 or 1:g}"
        )
    above = center * spread if factor else center + spread
    below = center / spread if factor else center - spread
    reach = [abs(position(domain, end) - middle) for end in (above, below) if _valid(domain, end)]
    width = sum(reach) / len(reach)
    return NumberBelief(middle, max(width, LEAST_SPREAD))


def option_belief(weights: Mapping[str, float], domain: Choice) -> OptionBelief:
    """Returns the probabilities of all options.

    Args:
        weights: Label -> weight, at least 0; one of them above 0.
        domain: The choice.
    """
    total = sum(weights.values())
    return OptionBelief({label: weights.get(label, 0.0) / total for label in domain.labels})


def position(domain: Float | Int, value: float) -> float:
    """Returns the position of a value on the domain's scale: 0 at its low end, 1 at its high end.

    It is beyond these for a value outside the domain.
    """
    low, high = float(domain.low), float(domain.high)
    if high <= low:
        return 0.0
    if domain.log:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def value_at(domain: Float | Int, where: float) -> float:
    """Returns the value at a position of the domain's scale, within its ends."""
    low, high, where = float(domain.low), float(domain.high), min(1.0, max(0.0, where))
    if domain.log:
        return low * math.exp(where * math.log(high / low))
    return low + where * (high - low)


def _valid(domain: Float | Int, value: float) -> bool:
    return value > 0 or not domain.log


def _number_and_spread(value: object) -> tuple[float, float | None, bool]:
    """Returns the number, its spread if it has one, and whether that is a factor."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value), None, False
    match = _SPREAD.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"give a number with its spread, {EXAMPLES}, not {value!r}")
    center, spread, factor = float(match[1]), float(match[4]), match[3] is not None
    if not math.isfinite(center) or not math.isfinite(spread):
        raise ValueError(f"give finite numbers, not {value!r}")
    if factor and spread <= 1:
        raise ValueError(f"the factor after x/ must be above 1, got {spread:g}")
    if spread <= 0:
        raise ValueError(f"the spread after +- must be above 0, got {spread:g}")
    return center, spread, factor
