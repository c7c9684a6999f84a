"""Which random changes keep inputs and targets true to each other."""

from __future__ import annotations

from collections.abc import Mapping

from paretune.inputs import Kind
from paretune.spaces.training.recipe import Augment
from paretune.task import TargetKind

CHANGES = tuple(Augment.model_fields)
"""All random changes, by their key under `augment`."""

ALLOWED: Mapping[TargetKind, tuple[str, ...]] = {
    "class": CHANGES,
    "labels": CHANGES,
    "values": ("flip", "crop", "randaugment", "erase"),
    "mask": ("flip", "crop"),
}
"""Kind of targets -> changes of images that leave them true, or that change them in step."""

TARGETS: Mapping[TargetKind, str] = {
    "values": "values",
    "mask": "masks",
    "boxes": "boxes",
    "next": "tokens",
}

INPUTS: Mapping[Kind, str] = {
    "text": "text",
    "series": "series",
    "features": "rows of a table",
    "tensors": "tensors of another kind",
}


def augmentation_refusal(change: str, inputs: Kind, targets: TargetKind | None) -> str | None:
    """Returns why a change does not fit the data; None if it does.

    Args:
        change: Key under `augment`.
        inputs: Kind of the inputs.
        targets: Kind of the targets; None for the user's own task.
    """
    if inputs != "images":
        return f"changes images, but the data is {INPUTS[inputs]}; leave augment out"
    if targets is None:
        return (
            "cannot change the targets of your own task in step with the images; "
            "leave it out, and augment in the task's own batches"
        )
    if change in ALLOWED.get(targets, ()):
        return None
    allowed = ALLOWED.get(targets, ())
    instead = f"; these fit: {', '.join(allowed)}" if allowed else "; leave augment out"
    return f"does not change {TARGETS[targets]} in step with the images{instead}"


def first_refusal(augment: Augment, inputs: Kind, targets: TargetKind | None) -> str | None:
    """Returns why a recipe's augmentation does not fit the data; None if it does."""
    for change in CHANGES:
        if getattr(augment, change) != getattr(Augment(), change):
            reason = augmentation_refusal(change, inputs, targets)
            if reason:
                return f"augment.{change} {reason}"
    return None
