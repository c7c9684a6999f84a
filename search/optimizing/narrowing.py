"""Narrows a space to what pays: drops options, and moves the ends of ranges inwards. Pure.

- An option goes if LEAST_TRIALS trials took it, and each has almost no chance to be on the front.
  At most one option of a choice goes in a round, the last one never.
- A range becomes that of its good trials, with a quarter of its width added on both sides. It
  keeps a fifth of its larger end as its width.

An option or value of one of the trials nearest to the goals always stays.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from paretune.search.optimizing.evidence import Evidence
from paretune.search.optimizing.space_edits import DropOption, Edit, SetRange, range_text
from paretune.spaces.domains import Choice, Float, Int, Node, Parameter, parameters

LEAST_TRIALS = 3
"""An option stays until this many trials took it: a single bad draw is no evidence."""

SMALL_CHANCE = 0.05
"""A trial with less chance to be on the front is no good trial; `final_front.NEAR_FRONT`."""

RANGE_TRIALS, GOOD_TRIALS = 6, 3
"""A range stays until this many trials, and good trials, lie in it."""

MARGIN = 0.25
"""Share of a range's width that is added to both sides of its good trials."""

LEAST_WIDTH = 0.2
"""A range does not get narrower than this share of its larger end, or factor if logarithmic."""

WORTH = 0.2
"""A range stays if it would lose less than this share of its width."""


def narrowing_edits(tree: Node, trials: Sequence[Evidence]) -> list[Edit]:
    """Returns the edits that narrow a space.

    Args:
        tree: The present space.
        trials: All finished trials.
    """
    edits: list[Edit] = []
    for parameter in parameters(tree):
        if parameter.name.rpartition(".")[2] == "epochs":
            continue  # rounds.py sets them
        if isinstance(parameter.domain, Choice):
            edits += _dropped_option(parameter.name, parameter.domain, trials)
        else:
            edits += _narrowed_range(parameter, trials)
    return edits


def is_good(trial: Evidence) -> bool:
    """Returns whether a trial may be on the front, or is one of the nearest to the goals."""
    return trial.best or trial.chance >= SMALL_CHANCE


def _dropped_option(name: str, choice: Choice, trials: Sequence[Evidence]) -> Iterator[DropOption]:
    if len(choice.options) < 2:
        return
    hopeless: list[tuple[float, int, str]] = []
    for label in choice.labels:
        tried = [trial for trial in trials if trial.params.get(name) == label]
        if len(tried) >= LEAST_TRIALS and not any(map(is_good, tried)):
            hopeless.append((max(t.chance for t in tried), -len(tried), label))
    if not hopeless or len(hopeless) == len(choice.options):
        return  # nothing speaks for another option either
    chance, count, label = min(hopeless)
    yield DropOption(name, label, f"its {-count} trials have {_chance_text(chance)} for the front")


def _chance_text(chance: float) -> str:
    return "no chance" if chance < 0.005 else f"at most {100 * chance:.0f} % chance"


def _narrowed_range(parameter: Parameter, trials: Sequence[Evidence]) -> Iterator[SetRange]:
    name, domain = parameter.name, parameter.domain
    assert isinstance(domain, Float | Int)
    inside = [t for t in trials if name in t.params and _contains(domain, t.params[name])]
    good = [trial.params[name] for trial in inside if is_good(trial)]
    if len(inside) < RANGE_TRIALS or len(good) < GOOD_TRIALS or domain.low == domain.high:
        return
    low, high = scaled(domain, domain.low), scaled(domain, domain.high)
    pad = max(MARGIN * (high - low), _least_width(domain) / 2)
    ends = (max(low, scaled(domain, min(good)) - pad), min(high, scaled(domain, max(good)) + pad))
    new = on_grid(domain, unscaled(domain, ends[0]), unscaled(domain, ends[1]))
    kept = scaled(domain, new[1]) - scaled(domain, new[0])
    if kept > (1 - WORTH) * (high - low):
        return
    reason = f"the {len(good)} good trials lie in {range_text(min(good), max(good))}"
    yield SetRange(name, (domain.low, domain.high), new, reason)


def _least_width(domain: Float | Int) -> float:
    """Returns the smallest width, on the scale on which the range is sampled."""
    if domain.log:
        return math.log1p(LEAST_WIDTH)
    return LEAST_WIDTH * max(abs(domain.low), abs(domain.high))


def _contains(domain: Float | Int, value: object) -> bool:
    return isinstance(value, int | float) and domain.low <= value <= domain.high


def scaled(domain: Float | Int, value: float) -> float:
    """Returns a value on the scale on which the range is sampled."""
    return math.log(value) if domain.log else float(value)


def unscaled(domain: Float | Int, value: float) -> float:
    """Returns the value of a point of that scale."""
    return math.exp(value) if domain.log else value


def on_grid(domain: Float | Int, low: float, high: float) -> tuple[float, float]:
    """Returns the ends as the domain can have them, outwards; in short figures."""
    if isinstance(domain, Int):
        step = domain.step
        first = domain.low + step * math.floor((low - domain.low) / step + 1e-9)
        last = domain.low + step * math.ceil((high - domain.low) / step - 1e-9)
        return int(first), int(last)
    if domain.step is not None:
        step_size = domain.step
        first_step = math.floor((low - domain.low) / step_size + 1e-9)
        last_step = math.ceil((high - domain.low) / step_size - 1e-9)
        return (
            round(domain.low + first_step * step_size, 12),
            round(domain.low + last_step * step_size, 12),
        )
    inside = domain.low <= low and high <= domain.high
    short = float(f"{low:.3g}"), float(f"{high:.3g}")
    if inside:  # rounding must not lead out of the range
        return max(domain.low, short[0]), min(domain.high, short[1])
    return short
