"""The space of the next round: narrowed, widened, and with more epochs. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paretune.search.optimizing.evidence import Evidence
from paretune.search.optimizing.narrowing import narrowing_edits
from paretune.search.optimizing.space_edits import (
    AddValue,
    Edit,
    SetEpochs,
    SetRange,
    Space,
    edited_space,
    written_literals,
)
from paretune.search.optimizing.widening import widening_edits
from paretune.spaces.domains import Node

Accepts = Callable[[Mapping[str, Any]], bool]
"""Returns whether a study file may have this section `space`."""


@dataclass(frozen=True)
class NextSpace:
    """The space of a round, and how it differs from that of the round before.

    Attributes:
        space: The section `space`.
        edits: Each change, with its reason.
    """

    space: Mapping[str, Any]
    edits: tuple[Edit, ...]


def next_space(
    space: Space,
    tree: Node,
    trials: Sequence[Evidence],
    epochs: Sequence[SetEpochs],
    accepts: Accepts = lambda space: True,
) -> NextSpace:
    """Returns the space of the next round.

    Args:
        space: The present section `space` as plain data.
        tree: The tree that was read from it.
        trials: All finished trials.
        epochs: The epochs of the next round.
        accepts: Returns whether a section is valid; an edit that makes it invalid is left out.
    """
    wider = [e for e in widening_edits(tree, trials) if _is_written(e, space, tree)]
    wider = [e for e in wider if accepts(edited_space(space, tree, [e]))]
    narrower = [e for e in narrowing_edits(tree, trials) if _is_written(e, space, tree)]
    edits = _joined(narrower, wider)
    changed = edited_space(space, tree, [*edits, *epochs])
    while edits and not accepts(changed):  # two edits that are valid alone, but not together
        edits.pop()
        changed = edited_space(space, tree, [*edits, *epochs])
    return NextSpace(changed, (*edits, *epochs))


def _is_written(edit: Edit, space: Space, tree: Node) -> bool:
    """Returns whether the section has the domain of an edit; a domain may stand for many layers."""
    if isinstance(edit, AddValue):
        return isinstance(dict(written_literals(space, tree)).get(edit.name), tuple)
    try:
        edited_space(space, tree, [edit])
    except KeyError:
        return False
    return True


def _joined(narrower: Sequence[Edit], wider: Sequence[Edit]) -> list[Edit]:
    """Returns all edits; a range that changes at both ends gets one edit."""
    ranges = {edit.name: edit for edit in wider if isinstance(edit, SetRange)}
    edits: list[Edit] = []
    for edit in narrower:
        other = ranges.pop(edit.name, None) if isinstance(edit, SetRange) else None
        edits.append(_both_ends(edit, other) if isinstance(edit, SetRange) and other else edit)
    return [*edits, *(e for e in wider if not isinstance(e, SetRange)), *ranges.values()]


def _both_ends(narrower: SetRange, wider: SetRange) -> SetRange:
    """Returns an edit that widens one end and narrows the other."""
    low, high = (
        wide if wide != old else narrow
        for wide, narrow, old in zip(wider.new, narrower.new, wider.old, strict=True)
    )
    return SetRange(narrower.name, wider.old, (low, high), f"{narrower.reason}; {wider.reason}")
