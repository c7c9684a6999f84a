"""The difference of two proportions of the same examples: interval and test. Pure.

- Interval: Tango's score interval (Tango 1998, Statistics in Medicine 17, 891-908). Tango's and
  Newcombe's intervals cover about equally well (Fagerland, Lydersen and Laake 2014, Statistics in
  Medicine 33, 2850-2875). Tango's fits here because it excludes 0 exactly if McNemar's asymptotic
  test rejects; Newcombe's method 10 follows no test.
- Test: McNemar's mid-p test (Fagerland, Lydersen and Laake 2013, BMC Medical Research Methodology
  13:91, https://doi.org/10.1186/1471-2288-13-91). It is nearly exact for few examples, too.
"""

from __future__ import annotations

import math

from paretune.objectives.timing.estimates import Z95

LEVEL = 0.05
"""A difference with a p-value of at least this is within chance."""


def mcnemar_p(first_only: int, second_only: int) -> float:
    """Returns the two-sided mid-p value of the hypothesis that both proportions are equal.

    Args:
        first_only: Number of examples that only the first network has right.
        second_only: Number of examples that only the second network has right.
    """
    count, fewer = first_only + second_only, min(first_only, second_only)
    if first_only == second_only:
        return 1.0
    log_middle = math.lgamma(count + 1) - math.lgamma(fewer + 1) - math.lgamma(count - fewer + 1)
    term = math.exp(log_middle - count * math.log(2))
    tail, last = 0.5 * term, fewer  # half of the observed outcome: mid-p
    while last > 0 and term > 1e-17 * tail:
        term *= last / (count - last + 1)
        tail += term
        last -= 1
    return min(1.0, 2 * tail)


def differs(first_only: int, second_only: int) -> bool:
    """Returns whether the proportions differ beyond chance, by the test and by the interval."""
    discordant = first_only + second_only
    beyond = abs(first_only - second_only) > Z95 * math.sqrt(discordant)  # Tango's, without 0
    return beyond and mcnemar_p(first_only, second_only) < LEVEL


def difference_interval(first_only: int, second_only: int, count: int) -> tuple[float, float]:
    """Returns the 95 % interval of the first proportion minus the second.

    It is Tango's interval, extended to 0 if the mid-p test does not reject. So it has 0 exactly if
    `differs` is False. If no example tells the two networks apart, the difference is exactly 0.

    Args:
        first_only: Number of examples that only the first network has right.
        second_only: Number of examples that only the second network has right.
        count: Number of examples.
    """
    if first_only == second_only == 0:
        return 0.0, 0.0
    high = tango_end(first_only, second_only, count)
    low = -tango_end(second_only, first_only, count)
    if differs(first_only, second_only):
        return low, high
    return min(low, 0.0), max(high, 0.0)


def tango_end(first_only: int, second_only: int, count: int, z: float = Z95) -> float:
    """Returns the upper end of Tango's interval, by bisection to 1e-12."""
    inside, outside = (first_only - second_only) / count, 1.0
    while outside - inside > 1e-12:
        middle = (inside + outside) / 2
        if _score(middle, first_only, second_only, count) > -z:
            inside = middle
        else:
            outside = middle
    return inside


def _score(difference: float, first_only: int, second_only: int, count: int) -> float:
    """Returns Tango's statistic: how many standard errors the data are above a difference."""
    linear = -first_only - second_only + (2 * count - first_only + second_only) * difference
    constant = -second_only * difference * (1 - difference)
    root = math.sqrt(max(linear * linear - 8 * count * constant, 0.0))
    likeliest = (root - linear) / (4 * count)  # P(only the second is right), given the difference
    variance = count * (2 * likeliest + difference * (1 - difference))
    distance = first_only - second_only - count * difference
    if variance <= 0:
        return 0.0 if distance == 0 else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)
