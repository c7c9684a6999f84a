"""Checks the data: its parts, their targets, and batches that do not fit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from paretune.search.errors import UserError
from paretune.search.preflight.data_facts import data_facts, nest_text
from paretune.search.preflight.finding import Finding
from paretune.search.preflight.rehearsal import Rehearsal
from paretune.search.preflight.short_plans import batch_size
from paretune.search.preflight.variants import variants
from paretune.search.tasks import CLASSIFICATION, TASKS, brings_data

FEW = 100
"""With fewer validation examples than this, accuracy moves in steps above one point."""


FIRST = 4
"""Examples in the first batch, if the user's own loader does not decide it."""


def check_data(rehearsal: Rehearsal) -> Iterator[Finding]:
    """Yields the sizes of the parts, and what a user may have overlooked.

    Raises:
        UserError: A part is empty, or a quantity of the study needs more classes.
    """
    data = rehearsal.data
    for target in rehearsal.targets:
        target.gauge.refuse(data.task)
    for part in ("train", "validation"):
        if not data.size(part):
            raise UserError(f"the {part} part of the data is empty; give it examples")
    sizes = ", ".join(
        f"{data.size(part):,} {part}" for part in ("train", "validation", "test") if data.size(part)
    )
    yield Finding(_name(rehearsal), "ok", "; ".join([sizes, *data_facts(data)]))
    if data.task.name != CLASSIFICATION:
        yield _first_batch(rehearsal)
    info = data.info()
    yield from (Finding("data", "note", str(text)) for text in info.get("notes", ()))
    if info.get("no_test"):
        yield Finding("test", "note", str(info["no_test"]))
    yield from _validation(rehearsal)
    yield from _batches(rehearsal)


def _name(rehearsal: Rehearsal) -> str:
    """Returns the name of the data, or of the task that brings it."""
    spec, name = rehearsal.spec, rehearsal.data.task.name
    return name if brings_data(TASKS.get(spec.task.name)) else spec.data.name


def _first_batch(rehearsal: Rehearsal) -> Finding:
    """Returns the shapes of a batch, which tell a user what the engine reads."""
    with closing(rehearsal.data.batches("train", FIRST)) as batches:  # type: ignore[type-var]
        inputs, targets = next(batches)
    text = f"inputs {nest_text(inputs)}; targets {nest_text(targets)}"
    return Finding("first batch", "ok", text)


def _validation(rehearsal: Rehearsal) -> Iterator[Finding]:
    data = rehearsal.data
    count = data.size("validation")
    if count < FEW:
        text = f"{count} examples: accuracy moves in steps of {100 / max(count, 1):.1f} points"
        if not data.task.class_scores or data.task.outputs.per != "example":
            text = f"{count} examples: scores on so few are uncertain, as their intervals show"
        yield Finding("validation", "note", text)
    counts = data.counts("validation")
    names = data.class_names if counts else []
    missing = [name for name, n in zip(names, counts, strict=True) if not n]
    if missing:
        shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        what, of = COUNTED[data.facts.kind if data.facts else "class"]
        text = f"no validation {what} of {len(missing)} of {len(names)} {of}: {shown}"
        yield Finding("validation", "note", text)


COUNTED = {
    "class": ("example", "classes"),
    "labels": ("example", "labels"),
    "mask": ("pixel", "classes"),
    "boxes": ("box", "classes"),
}
"""Kind of targets -> what has a class or label, and what it has."""


def _batches(rehearsal: Rehearsal) -> Iterator[Finding]:
    """Yields a note on batches that are larger than the training part."""
    if rehearsal.data.loader_batch is not None:
        return
    train = rehearsal.data.size("train")
    space = rehearsal.spec.space
    plans = [rehearsal.baseline]
    plans += [
        rehearsal.plan(variant.choices(space))
        for section in ("pretrain", "finetune")
        for variant in variants(space, section)
    ]
    largest = max(map(batch_size, plans))
    if largest > train:
        yield Finding(
            "batch_size",
            "note",
            f"{largest} is more than the {train} training examples: an epoch is one step",
        )
