"""The objectives that studies share. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from paretune.search.errors import UserError
from paretune.search.study.records import Axis, StudyRecord

LEAST = 2
"""Fewest objectives that studies must share."""


def common_axes(names: Sequence[str], records: Sequence[StudyRecord]) -> tuple[Axis, ...]:
    """Returns the objectives that all studies have, in the order of the first one.

    Args:
        names: How each study is called in errors.
        records: The studies.

    Raises:
        UserError: An objective has another unit or direction in another study, or there are fewer
            than two.
    """
    first = records[0]
    shared: list[Axis] = []
    for axis in first.axes:
        others = [next((a for a in r.axes if a.name == axis.name), None) for r in records[1:]]
        if any(other is None for other in others):
            continue
        for name, other in zip(names[1:], others, strict=True):
            assert other is not None
            if (other.unit, other.better) != (axis.unit, axis.better):
                raise UserError(
                    f"{axis.name} is {_text(axis)} in {names[0]} and {_text(other)} in {name}: "
                    "studies are compared by objectives of equal unit and direction"
                )
        shared.append(axis)
    if len(shared) >= LEAST:
        return tuple(shared)
    lines = [
        f"  {name}: {', '.join(axis.name for axis in record.axes)}"
        for name, record in zip(names, records, strict=True)
    ]
    only = f"only {shared[0].name}" if shared else "no objective"
    raise UserError(
        f"these studies share {only}; compare needs two objectives that all of them have:\n"
        + "\n".join(lines)
    )


def _text(axis: Axis) -> str:
    return f"in {axis.unit or 'no unit'} ({axis.better} is better)"
