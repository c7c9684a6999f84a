"""Checks the data: its parts, their classes, and batches that do not fit."""

from __future__ import annotations

from collections.abc import Iterator

from paretune.search.preflight.finding import Finding
from paretune.search.preflight.rehearsal import Rehearsal
from paretune.search.preflight.short_plans import batch_size
from paretune.search.preflight.variants import variants

FEW = 100
"""With fewer validation examples than this, accuracy moves in steps above one point."""


def check_data(rehearsal: Rehearsal) -> Iterator[Finding]:
    """Yields the sizes of the parts, and what a user may have overlooked.

    Raises:
        UserError: A quantity of the study needs more classes.
    """
    data = rehearsal.data
    for target in rehearsal.targets:
        target.gauge.refuse(data.task)
    sizes = ", ".join(
        f"{data.size(part):,} {part}" for part in ("train", "validation", "test") if data.size(part)
    )
    yield Finding(
        rehearsal.spec.data.name, "ok", f"{sizes}; {data.classes} classes, input {data.shape}"
    )
    info = data.info()
    yield from (Finding("data", "note", str(text)) for text in info.get("notes", ()))
    if info.get("no_test"):
        yield Finding("test", "note", str(info["no_test"]))
    yield from _validation(rehearsal)
    yield from _batches(rehearsal)


def _validation(rehearsal: Rehearsal) -> Iterator[Finding]:
    data = rehearsal.data
    count = data.size("validation")
    if count < FEW:
        text = f"{count} examples: accuracy moves in steps of {100 / max(count, 1):.1f} points"
        yield Finding("validation", "note", text)
    missing = [
        name for name, n in zip(data.class_names, data.counts("validation"), strict=True) if not n
    ]
    if missing:
        names = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        text = f"no validation example of {len(missing)} of {data.classes} classes: {names}"
        yield Finding("validation", "note", text)


def _batches(rehearsal: Rehearsal) -> Iterator[Finding]:
    """Yields a note on batches that are larger than the training part."""
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
