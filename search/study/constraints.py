"""Reads constraints and goals: `accuracy >= baseline - 1%`, `latency <= 2 ms`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from paretune.search.study.quantity import full_name
from paretune.search.study.spec import Bound, Constraint

UNITS: Mapping[str, Mapping[str, float]] = {
    "ms": {"ms": 1, "us": 1e-3, "s": 1e3},
    "bytes": {"b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2**10, "mib": 2**20, "gib": 2**30},
    "parameters": {"k": 1e3, "m": 1e6, "g": 1e9},
    "MACs": {"k": 1e3, "m": 1e6, "g": 1e9},
    "activations": {"k": 1e3, "m": 1e6, "g": 1e9},
    "s": {"s": 1, "ms": 1e-3, "min": 60, "h": 3600},
    "J": {"j": 1, "mj": 1e-3, "uj": 1e-6},
}
"""Unit of an objective -> suffix (lower case) -> factor; 1 KB is 1,000 bytes, 1 KiB 1,024.

Every unit is also its own suffix (`size <= 1000 bytes`), also those of a user's objectives.
"""

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_CONSTRAINT = re.compile(r"^\s*([\w.:@/-]+)\s*(<=|>=|<|>)\s*(.+?)\s*$")
_PLAIN = re.compile(rf"^({_NUMBER})\s*([A-Za-z%]*)$")
_TIMES = re.compile(rf"^({_NUMBER})\s*(?:[x*]\s*baseline|x)$")
_OFFSET = re.compile(
    rf"^(?:({_NUMBER})\s*[x*]\s*)?baseline(?:\s*([-+])\s*(\d+\.?\d*|\.\d+)\s*([A-Za-z%]*))?$"
)

EXAMPLES = '"latency <= 2 ms", "latency <= 0.5 x baseline", "accuracy >= baseline - 1%"'


def read_constraint(text: str, units: Mapping[str, str], targets: Sequence[str] = ()) -> Constraint:
    """Reads a constraint or goal.

    A per cent of a fraction (accuracy) is a percentage point. For any other unit it is a hundredth
    of the baseline's value.

    Args:
        text: The text that the user wrote.
        units: Name -> unit of all quantities that can be measured.
        targets: Names of the study's targets; `latency` may mean `latency@phone` of the first.

    Raises:
        ValueError: The text cannot be read; the message shows what to type.
        KeyError: Its quantity is not in `units`; the argument is the name.
    """
    match = _CONSTRAINT.match(text)
    if match is None:
        raise ValueError(f'"{text}" is not a constraint; write {EXAMPLES}')
    left, sign, right = match.groups()
    name = full_name(left, units, targets)
    if name not in units:
        raise KeyError(name)
    bound = _bound(text, right, units[name])
    if not math.isfinite(bound.factor) or not math.isfinite(bound.offset):
        raise ValueError(f'"{text}": "{right}" is not finite')
    return Constraint(text.strip(), name, sign in ("<=", "<"), bound)


def quantity_name(text: str) -> str | None:
    """Returns the name on the left of a constraint; None if the text is not a constraint."""
    match = _CONSTRAINT.match(text)
    return match[1] if match else None


def _bound(text: str, right: str, unit: str) -> Bound:
    if times := _TIMES.match(right):
        return Bound(float(times[1]), 0.0)
    if offset := _OFFSET.match(right):
        factor = float(offset[1]) if offset[1] else 1.0
        if offset[2] is None:
            return Bound(factor, 0.0)
        sign = -1.0 if offset[2] == "-" else 1.0
        return _shifted(text, factor, sign * float(offset[3]), offset[4], unit)
    if plain := _PLAIN.match(right):
        if plain[2] == "%" and plain[1][0] in "+-":  # "-1%": short for baseline - 1%
            return _shifted(text, 1.0, float(plain[1]), "%", unit)
        if plain[2] == "%" and unit != "fraction":
            share = float(plain[1]) / 100
            raise ValueError(f'"{text}": per cent needs a reference; write "{share:g} x baseline"')
        value = _in_unit(text, float(plain[1]), plain[2], unit)
        if unit == "fraction" and not 0 <= value <= 1:
            raise ValueError(f'"{text}": give 0 to 100 %, or a plain number from 0 to 1')
        return Bound(0.0, value)
    raise ValueError(f'"{text}": "{right}" is not a bound; write {EXAMPLES}')


def _shifted(text: str, factor: float, number: float, suffix: str, unit: str) -> Bound:
    if suffix == "%" and unit != "fraction":
        return Bound(factor + number / 100, 0.0)
    offset = _in_unit(text, number, suffix, unit)
    if unit == "fraction" and abs(offset) >= 1:  # "baseline - 1" would always hold
        raise ValueError(f'"{text}": is 100 points or more; one point is written 1%')
    return Bound(factor, offset)


def _in_unit(text: str, number: float, suffix: str, unit: str) -> float:
    if suffix == "":
        return number
    if suffix == "%" and unit == "fraction":
        return number / 100
    factors = {} if unit == "fraction" else {**UNITS.get(unit, {}), unit.lower(): 1}
    if suffix.lower() not in factors:
        possible = ", ".join(factors) if factors else "% or a plain number from 0 to 1"
        raise ValueError(f'"{text}": wrong unit "{suffix}"; give {possible}')
    return number * factors[suffix.lower()]
