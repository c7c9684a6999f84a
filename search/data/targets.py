"""Targets of examples as a source gives them: checked arrays, or boxes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from paretune.search.errors import UserError
from paretune.search.tasks.target_facts import TargetKind

TASK_OF: Mapping[TargetKind, str] = {
    "class": "classification",
    "labels": "multilabel",
    "values": "regression",
    "mask": "segmentation",
    "boxes": "detection",
    "next": "language_model",
}
"""Targets -> the built-in task that needs them, for messages."""

FORMS: Mapping[TargetKind, str] = {
    "class": "one integer for each example, [N]",
    "labels": "0 or 1 for each label of an example, [N, K]",
    "values": "numbers for each example, [N] or [N, K]",
    "mask": "a class for each pixel, integers [N, H, W]",
    "boxes": 'for each example {"boxes": [n, 4], "labels": [n]}, or one array [N, M, 5] with '
    "xmin, ymin, xmax, ymax, class in each row, where class -1 means no box",
    "next": "no targets: they are the tokens, shifted by one",
}
"""Targets -> the form to give."""

EVERY_KIND: tuple[TargetKind, ...] = tuple(TASK_OF)

BOX = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class TargetsWanted:
    """The targets that a study's task needs from its data.

    Attributes:
        kind: What they are.
        ignore: Value of the pixels of a mask that have no class; None if all have one.
    """

    kind: TargetKind = "class"
    ignore: int | None = None


@dataclass(frozen=True)
class BoxTargets:
    """The boxes of N examples.

    Attributes:
        boxes: For each example float32 [n, 4]: xmin, ymin, xmax, ymax in pixels of its image.
        labels: For each example the classes of its boxes, int64 [n].
    """

    boxes: tuple[np.ndarray, ...]
    labels: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, rows: np.ndarray) -> BoxTargets:
        """Returns the boxes of the examples at these rows."""
        return BoxTargets(
            tuple(self.boxes[row] for row in rows), tuple(self.labels[row] for row in rows)
        )

    @property
    def shape(self) -> tuple[int]:
        """(N,)."""
        return (len(self),)

    def classes(self) -> np.ndarray:
        """Returns the classes of all boxes, int64 [boxes]."""
        return np.concatenate([np.empty(0, np.int64), *self.labels])

    def tobytes(self) -> bytes:
        """Returns the content, for digests."""
        pairs = zip(self.boxes, self.labels, strict=True)
        return b"".join(str(len(x)).encode() + x.tobytes() + y.tobytes() for x, y in pairs)


RawTargets = np.ndarray | BoxTargets
"""Targets of N examples; class int64 [N]; labels and values float32 [N, K]; mask [N, H, W]."""


def checked_targets(name: str, part: str, targets: Any, count: int, kind: TargetKind) -> RawTargets:
    """Returns targets that are no classes in their standard form.

    Args:
        name: Name of the source, for messages.
        part: "train", "validation" or "test".
        targets: An array; for boxes also a sequence of {"boxes", "labels"}.
        count: Number of examples.
        kind: What the targets must be.

    Raises:
        UserError: They have another rank, type or number, or values that cannot be.
    """
    where = f"{name}: {part}"
    if kind == "boxes" and not isinstance(targets, np.ndarray):
        return listed_boxes(where, targets, count)
    array = np.asarray(targets)
    if array.dtype.kind not in "buif":
        raise UserError(f"{where}: targets are {array.dtype}; give {FORMS[kind]}")
    array = _in_rank(where, array, kind)
    if len(array) != count:
        raise UserError(f"{where}: {count} examples and {len(array)} targets; give one for each")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array.reshape(count, -1)).all(1))[0])
        raise UserError(
            f"{where}: the targets of example {row} are not finite; leave such examples out"
        )
    checked: RawTargets = CHECKS[kind](where, array)
    return checked


def listed_boxes(where: str, targets: Any, count: int) -> BoxTargets:
    """Returns a list of {"boxes", "labels"}, one for each example, as boxes.

    Raises:
        UserError: A member is none, or its boxes do not fit.
    """
    if not isinstance(targets, Sequence) or len(targets) != count:
        came = f"{len(targets)} targets" if hasattr(targets, "__len__") else type(targets).__name__
        raise UserError(f"{where}: {count} examples and {came}; give {FORMS['boxes']}")
    boxes, labels = [], []
    for row, target in enumerate(targets):
        if not isinstance(target, Mapping) or not {"boxes", "labels"} <= set(target):
            raise UserError(
                f"{where}: the target of example {row} is a {type(target).__name__}; give "
                f"{FORMS['boxes']}"
            )
        try:
            of_boxes = np.asarray(target["boxes"], dtype=np.float32).reshape(-1, 4)
            of_labels = np.asarray(target["labels"])
        except (TypeError, ValueError) as error:
            raise UserError(f"{where}: the boxes of example {row}: {error}") from error
        boxes.append(of_boxes)
        labels.append(_box_labels(f"{where}: example {row}", of_boxes, of_labels))
    return BoxTargets(tuple(boxes), tuple(labels))


def refuse_bad_boxes(
    where: str, boxes: np.ndarray, size: tuple[int, int], advice: str = ""
) -> None:
    """Refuses boxes that are empty, inverted, not finite, or outside of their image.

    Args:
        where: Source and example, for the message.
        boxes: float [n, 4], xmin, ymin, xmax, ymax.
        size: (H, W) of the image in pixels. A box may reach one pixel beyond it.
        advice: What else to type, for the end of the message.

    Raises:
        UserError: There is such a box.
    """
    height, width = size
    for number, box in enumerate(np.asarray(boxes, dtype=np.float64)):
        reason = box_problem(box, (height, width))
        if reason:
            values = ", ".join(f"{name} {value:g}" for name, value in zip(BOX, box, strict=True))
            raise UserError(
                f"{where}: box {number} ({values}) {reason}; give xmin < xmax and ymin < ymax in "
                f"pixels of the image, which has width {width} and height {height}{advice}"
            )


def box_problem(box: np.ndarray, size: tuple[int, int]) -> str | None:
    """Returns why a box is none; None if it is one.

    Args:
        box: xmin, ymin, xmax, ymax.
        size: (H, W) of the image in pixels. A box may reach one pixel beyond it.
    """
    height, width = size
    if not np.isfinite(box).all():
        return "is not finite"
    xmin, ymin, xmax, ymax = box
    if xmax < xmin or ymax < ymin:
        return "is inverted"
    if xmax == xmin or ymax == ymin:
        return "is empty"
    if xmin < -1 or ymin < -1 or xmax > width + 1 or ymax > height + 1:
        return "lies outside of the image"
    return None


def _box_labels(where: str, boxes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns the classes of boxes as int64 [n].

    Raises:
        UserError: They are no integers from 0, or not one for each box.
    """
    if labels.shape != (len(boxes),):
        raise UserError(
            f"{where}: {len(boxes)} boxes and labels of shape {list(labels.shape)}; give one "
            "class for each box"
        )
    if len(labels) and (labels.dtype.kind not in "iu" or labels.min() < 0):
        raise UserError(f"{where}: the labels of boxes are {labels.dtype}; give integers from 0")
    return labels.astype(np.int64)


def _in_rank(where: str, array: np.ndarray, kind: TargetKind) -> np.ndarray:
    """Returns an array in the rank of its kind; axes of length 1 are added or removed."""
    rank = {"labels": 2, "values": 2, "mask": 3, "boxes": 3, "next": 2}[kind]
    if kind == "values" and array.ndim == 1:
        return array[:, None]
    if kind == "mask" and array.ndim == 4 and 1 in (array.shape[1], array.shape[3]):
        return array[:, 0] if array.shape[1] == 1 else array[..., 0]
    if array.ndim != rank or (kind == "boxes" and array.shape[2] != 5):
        raise UserError(f"{where}: targets of shape {list(array.shape)}; give {FORMS[kind]}")
    return array


def _labels(where: str, array: np.ndarray) -> np.ndarray:
    wrong = (array != 0) & (array != 1)
    if wrong.any():
        row = int(np.flatnonzero(wrong.any(1))[0])
        value = array[wrong][0]
        raise UserError(f"{where}: example {row} has label value {value:g}; give {FORMS['labels']}")
    return array.astype(np.float32)


def _values(where: str, array: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        values = array.astype(np.float32)
    if not np.isfinite(values).all():
        raise UserError(f"{where}: targets beyond the range of float32; give smaller units")
    return values


def _mask(where: str, array: np.ndarray) -> np.ndarray:
    """Returns masks as the smallest of uint8 and int64 that holds them."""
    if array.dtype.kind == "f" and (array % 1).any():
        raise UserError(f"{where}: masks are {array.dtype}; give {FORMS['mask']}")
    if array.dtype.kind == "b":
        return array.astype(np.uint8)
    low, high = array.min(initial=0), array.max(initial=0)
    small = low >= 0 and high <= 255
    return np.ascontiguousarray(array.astype(np.uint8 if small else np.int64))


def _boxes(where: str, array: np.ndarray) -> BoxTargets:
    boxes, labels = [], []
    for row, listed in enumerate(array):
        real = listed[listed[:, 4] >= 0]
        if (real[:, 4] % 1).any():
            raise UserError(f"{where}: example {row} has a box without a class; count from 0")
        boxes.append(real[:, :4].astype(np.float32))
        labels.append(real[:, 4].astype(np.int64))
    return BoxTargets(tuple(boxes), tuple(labels))


def _next(where: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "iu":
        raise UserError(f"{where}: the next tokens are {array.dtype}; give integers")
    return array.astype(np.int64)


CHECKS: Mapping[str, Callable[[str, np.ndarray], RawTargets]] = {
    "labels": _labels,
    "values": _values,
    "mask": _mask,
    "boxes": _boxes,
    "next": _next,
}
