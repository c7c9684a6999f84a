"""Widens a space where the trials nearest to the goals lie at its border. Pure.

A range grows by half of its width at that end, and a choice of numbers by the next number. Nothing
grows beyond what is valid, nor towards candidates that could not exist. Numbers of an architecture
only get smaller: a network larger than those that the user wrote is no goal.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from paretune.search.optimizing.evidence import Evidence
from paretune.search.optimizing.narrowing import on_grid, scaled, unscaled
from paretune.search.optimizing.space_edits import AddValue, Edit, SetRange
from paretune.spaces.domains import Choice, Float, Int, Node, Parameter, parameters

AT_END = 0.1
"""A trial lies at an end of a range if it is within this share of the width."""

LEAST_AT_END = 2
"""Number of networks at an end that widen it, of those nearest to the goals; and half of them."""

GROWTH = 0.5
"""Share of its width by which a range grows."""

FORMATS = "quantization"
"""Section of the parameters that need no other training."""

LIMITS = {
    "ratio": (0.0, 0.95),
    "macs": (0.05, 1.0),
    "share": (0.0, 0.9),
    "alpha": (0.0, 1.0),
    "beta": (0.0, 1.0),
    "temperature": (0.5, 20.0),
    "lr": (1e-6, 1.0),
    "momentum": (0.0, 0.99),
    "dropout": (0.0, 0.9),
    "label_smoothing": (0.0, 0.5),
}
"""Last word of a parameter's name -> the ends that it may have at most.

The study file's own checks refuse more; these are the values that can make sense.
"""


def widening_edits(tree: Node, trials: Sequence[Evidence]) -> list[Edit]:
    """Returns the edits that widen a space.

    Args:
        tree: The present space.
        trials: All finished trials.
    """
    edits: list[Edit] = []
    for parameter in parameters(tree):
        if parameter.name.rpartition(".")[2] == "epochs":
            continue
        if isinstance(parameter.domain, Choice):
            edits += _next_value(parameter.name, parameter.domain, trials)
        else:
            edits += _wider_range(parameter, trials)
    return edits


def _best_networks(name: str, trials: Sequence[Evidence]) -> list[Evidence]:
    """Returns the trials nearest to the goals, one for each trained network.

    Number formats of one network are no further evidence on how it was made.
    """
    networks: dict[tuple[tuple[str, str], ...], Evidence] = {}
    for trial in trials:
        if trial.best and name in trial.params:
            kept = (
                (other, str(value))
                for other, value in sorted(trial.params.items())
                if name.startswith(FORMATS) or not other.startswith(FORMATS)
            )
            networks.setdefault(tuple(kept), trial)
    return list(networks.values())


def _many(count: int, best: int) -> bool:
    """Returns whether enough of the best trials lie at an end."""
    return count >= LEAST_AT_END and 2 * count >= best


def _wider_range(parameter: Parameter, trials: Sequence[Evidence]) -> Iterator[SetRange]:
    name, domain = parameter.name, parameter.domain
    assert isinstance(domain, Float | Int)
    best = [trial.params[name] for trial in _best_networks(name, trials)]
    if domain.low == domain.high or not best:
        return
    low, high = scaled(domain, domain.low), scaled(domain, domain.high)
    width = high - low
    at_low = sum(scaled(domain, v) <= low + AT_END * width for v in best)
    at_high = sum(scaled(domain, v) >= high - AT_END * width for v in best)
    ends = [domain.low, domain.high]
    if _many(at_low, len(best)) and not _impossible_at(name, domain.low, trials, "low"):
        ends[0] = unscaled(domain, low - GROWTH * width)
    if (
        _many(at_high, len(best))
        and not _is_size(name)
        and not _impossible_at(name, domain.high, trials, "high")
    ):
        ends[1] = unscaled(domain, high + GROWTH * width)
    if tuple(ends) == (domain.low, domain.high):
        return
    new = on_grid(domain, *_limited(name, domain, *ends))
    if new != (domain.low, domain.high) and new[0] <= domain.low and new[1] >= domain.high:
        count = max(at_low, at_high)
        reason = f"{count} of the {len(best)} best networks lie at its end"
        yield SetRange(name, (domain.low, domain.high), new, reason)


def _is_size(name: str) -> bool:
    """Returns whether a number is of an architecture, where a larger one makes it larger."""
    return name.startswith("architecture.")


def _impossible_at(name: str, end: float, trials: Sequence[Evidence], side: str) -> bool:
    """Returns whether a candidate near this end could not exist."""
    values = [t.params[name] for t in trials if t.impossible and name in t.params]
    reached = [t.params[name] for t in trials if not t.impossible and name in t.params]
    if not values:
        return False
    if side == "low":
        return bool(min(values) <= min([*reached, end]))
    return bool(max(values) >= max([*reached, end]))


def _limited(name: str, domain: Float | Int, low: float, high: float) -> tuple[float, float]:
    least, most = LIMITS.get(name.rpartition(".")[2], (None, None))
    if least is None:  # an unknown parameter: keep its sign, and at most double it
        least = 0.0 if domain.low >= 0 else -math.inf
        most = 2 * domain.high if domain.high > 0 else math.inf
    assert most is not None
    low, high = max(low, min(least, domain.low)), min(high, max(most, domain.high))
    if isinstance(domain, Int) and domain.low >= 1:
        low = max(low, 1)
    if isinstance(domain, Float) and domain.log:
        low = max(low, 1e-12)
    return low, high


def _next_value(name: str, choice: Choice, trials: Sequence[Evidence]) -> Iterator[AddValue]:
    """Yields the number after the last one, or before the first one, of a choice of numbers."""
    numbers = _numbers(choice)
    labels = [trial.params[name] for trial in _best_networks(name, trials)]
    if len(numbers) < 2 or not labels:
        return
    ordered = sorted(numbers, key=lambda label: numbers[label])
    for end, neighbour in ((ordered[0], ordered[1]), (ordered[-1], ordered[-2])):
        count = labels.count(end)
        value = _following(numbers[end], numbers[neighbour])
        least, most = LIMITS.get(name.rpartition(".")[2], (0.0, 2 * max(numbers.values())))
        if not _many(count, len(labels)) or value is None or not least < value <= most:
            continue
        if _is_size(name) and value > numbers[end]:
            continue
        if any(t.impossible and t.params.get(name) == end for t in trials):
            continue
        if any(name in t.params and float(t.params[name]) == value for t in trials):
            continue  # it was tried, and went
        yield AddValue(name, value, f"{count} of the {len(labels)} best networks have {end}")
        return


def _numbers(choice: Choice) -> dict[str, float]:
    """Returns label -> number; empty if an option is no number."""
    numbers: dict[str, float] = {}
    for label, _ in choice.options:
        try:
            numbers[label] = int(label) if label.lstrip("-").isdigit() else float(label)
        except ValueError:
            return {}
    return numbers


def _following(end: float, neighbour: float) -> float | None:
    """Returns the next number after `neighbour, end`: by their ratio, else by their difference."""
    if end > 0 and neighbour > 0:
        value = end * end / neighbour
        value = max(value, end / 2) if end < neighbour else min(value, 2 * end)
    else:
        value = 2 * end - neighbour
    if isinstance(end, int) and isinstance(neighbour, int):
        value = round(value)
    else:
        value = float(f"{value:.3g}")
    return None if value in (end, neighbour) else value
