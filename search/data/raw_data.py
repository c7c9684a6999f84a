"""Raw data of a source: parts with targets, checked, before they are split or normalized."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paretune.search.data.targets import RawTargets
from paretune.search.errors import UserError
from paretune.search.tasks.target_facts import TargetFacts

if TYPE_CHECKING:
    from paretune.search.data.image_preparation import Preparation


CHANNELS = (1, 3, 4)
"""Numbers of channels that images may have."""

ROUNDING = 1e-6
"""How far floats may lie beyond 0 and 1."""

SAMPLE = 64
"""Images that are looked at, to tell whether floats are finer than 8 bits."""


@dataclass(frozen=True)
class RawPart:
    """Examples with targets: images in memory, files of images, texts, or other arrays.

    Attributes:
        targets: The target of each example: class int64 [N], or another kind.
        images: uint8 [N, C, H, W] in memory; None if they are read from `files`.
        files: Image file of each example, for a streamed part.
        texts: Text of each example.
        inputs: float32 [N, ...], or token ids int32 [N, T], for inputs that are no images.
        notes: Sentences about what was changed while reading.
    """

    targets: RawTargets
    images: np.ndarray | None = None
    files: tuple[Path, ...] = ()
    texts: tuple[str, ...] = ()
    inputs: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def labels(self) -> np.ndarray:
        """Classes int64 [N], of a part whose targets are classes."""
        assert isinstance(self.targets, np.ndarray)
        return self.targets

    def take(self, rows: np.ndarray) -> RawPart:
        """Returns the examples at these rows."""
        images = None if self.images is None else self.images[rows]
        files = tuple(self.files[i] for i in rows) if self.files else ()
        texts = tuple(self.texts[i] for i in rows) if self.texts else ()
        inputs = None if self.inputs is None else self.inputs[rows]
        return RawPart(self.targets[rows], images, files, texts, inputs)


def text_part(texts: Sequence[str]) -> RawPart:
    """Returns texts for a language model as a part: their targets follow from their tokens."""
    return RawPart(np.empty((len(texts), 0), dtype=np.int64), texts=tuple(texts))


@dataclass(frozen=True)
class RawData:
    """All parts that a source has.

    Attributes:
        name: Name of the source, for messages.
        parts: "train", and "validation" and "test" if the source has them.
        facts: What the targets are, and how many classes, labels or values there are.
        preparation: How images become pixels; None for texts and for arrays that stay as they are.
        prepared: Whether the images in memory are prepared already.
        changed: Files from which versions before 0.15 read other pixels.
        notes: Sentences about what was skipped or changed while reading.
        tensors: Whether the inputs are no pixels, but tensors that stay as they are.
    """

    name: str
    parts: Mapping[str, RawPart]
    facts: TargetFacts
    preparation: Preparation | None = None
    prepared: bool = False
    changed: frozenset[Path] = frozenset()
    notes: tuple[str, ...] = ()
    tensors: bool = False


def checked_part(name: str, part: str, images: np.ndarray, labels: np.ndarray) -> RawPart:
    """Returns arrays as a part: images as uint8 [N, C, H, W], labels as int64 [N].

    Args:
        name: Name of the source, for messages.
        part: "train", "validation" or "test".
        images: uint8, or float in [0, 1]; [N, H, W], [N, H, W, C] or [N, C, H, W].
        labels: Integers from 0, [N] or [N, 1].

    Raises:
        UserError: Shapes, types or values do not fit.
    """
    images = np.asarray(images)
    classes = checked_labels(name, part, np.asarray(labels), images.shape)
    pixels, notes = checked_images(name, part, images)
    return RawPart(classes, pixels, notes=notes)


def checked_labels(name: str, part: str, labels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Returns classes as int64 [N].

    Args:
        name: Name of the source, for messages.
        part: "train", "validation" or "test".
        labels: Integers from 0, [N] or [N, 1].
        shape: Shape of the examples, [N, ...].

    Raises:
        UserError: Shapes, types or values do not fit.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or len(shape) == 0 or len(labels) != shape[0]:
        raise UserError(
            f"{name}: {part}: images of shape {list(shape)}, labels of shape "
            f"{list(labels.shape)}; give one integer for each image{_other_task(labels)}"
        )
    if len(labels) == 0:
        raise UserError(f"{name}: {part}: there are no examples")
    are_integers = labels.dtype.kind in "iu" or (
        labels.dtype.kind == "f" and np.isfinite(labels).all() and not (labels % 1).any()
    )
    if not are_integers:
        raise UserError(
            f"{name}: {part}: labels are {labels.dtype}; give integers from 0{_other_task(labels)}"
        )
    for label in (labels.min(), labels.max()):
        if not 0 <= label < 2**31:
            raise UserError(f"{name}: {part}: label {label} is out of range; count from 0")
    return labels.astype(np.int64)


def checked_images(name: str, part: str, images: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Returns images as uint8 [N, C, H, W], and sentences about what was changed.

    Args:
        name: Name of the source, for messages.
        part: "train", "validation" or "test".
        images: uint8, or float in [0, 1]; [N, H, W], [N, H, W, C] or [N, C, H, W].

    Raises:
        UserError: Shape, type or values do not fit.
    """
    pixels = _as_bytes(name, part, _channels_first(name, part, images))
    return pixels, tuple(_surprises(images, pixels))


def count_classes(name: str, parts: Mapping[str, np.ndarray], stated: int | None = None) -> int:
    """Returns the number of classes.

    Args:
        name: Name of the source, for messages.
        parts: Part -> its labels int64 [N].
        stated: Number of classes according to the source; None counts the training labels.

    Raises:
        UserError: There is only one class, or a label beyond the number of classes.
    """
    classes = stated or int(parts["train"].max()) + 1
    for part, labels in parts.items():
        if len(labels) and labels.max() >= classes:
            raise UserError(
                f"{name}: {part}: label {labels.max()} is out of range; "
                f"the training part has classes 0 to {classes - 1}"
            )
    classes_present = np.unique(parts["train"])
    if len(classes_present) < 2:
        raise UserError(
            f"{name}: the training part has one class only ({classes_present[0]}); "
            "there is nothing to classify"
        )
    if len(classes_present) < classes:
        absent = np.setdiff1d(np.arange(min(classes, len(classes_present) + 5)), classes_present)
        absent_text = ", ".join(map(str, absent[:5]))
        raise UserError(
            f"{name}: the training part has no example of class {absent_text} although labels go "
            f"up to {classes - 1}; number the classes from 0 without gaps"
        )
    return classes


def notes_of(parts: Mapping[str, RawPart]) -> tuple[str, ...]:
    """Returns the sentences of all parts, each once."""
    return tuple(dict.fromkeys(note for part in parts.values() for note in part.notes))


def _other_task(labels: np.ndarray) -> str:
    """Returns which task these labels fit; empty if none does."""
    if labels.dtype.kind not in "buif" or not np.isfinite(labels).all():
        return ""
    if labels.ndim == 1:
        return ", or type task: regression" if labels.dtype.kind == "f" else ""
    if labels.ndim == 2:
        binary = ((labels == 0) | (labels == 1)).all()
        return f", or type task: {'multilabel' if binary else 'regression'}"
    return ", or type task: segmentation" if labels.ndim == 3 else ""


def _channels_first(name: str, part: str, images: np.ndarray) -> np.ndarray:
    if images.ndim == 3:
        return images[:, None]
    last = images.ndim == 4 and images.shape[3] in CHANNELS
    first = images.ndim == 4 and images.shape[1] in CHANNELS
    if last and first:  # tiny images: those that would be square are meant
        _, one, two, three = images.shape
        if (one == two) == (two == three):
            raise UserError(
                f"{name}: {part}: images of shape {list(images.shape)} can be [N, H, W, C] or "
                "[N, C, H, W]; pad them so that height and width are not 1, 3 or 4"
            )
        last = one == two
    if last:
        return images.transpose(0, 3, 1, 2)
    if first:
        return images
    raise UserError(
        f"{name}: {part}: images of shape {list(images.shape)}; "
        "give [N, H, W], [N, H, W, C] or [N, C, H, W] with 1, 3 or 4 channels"
    )


def _as_bytes(name: str, part: str, images: np.ndarray) -> np.ndarray:
    if images.size == 0 or images.dtype.kind not in "buif":
        raise UserError(
            f"{name}: {part}: images are {images.dtype} of shape {list(images.shape)}; "
            "give uint8, or floats from 0 to 1"
        )
    if images.dtype == np.uint8:
        return np.ascontiguousarray(images)
    low, high = float(images.min()), float(images.max())
    if np.issubdtype(images.dtype, np.floating) and np.isfinite([low, high]).all():
        if low >= -ROUNDING and high <= 1 + ROUNDING:
            return np.ascontiguousarray(np.rint(images.clip(0, 1) * 255).astype(np.uint8))
    elif np.issubdtype(images.dtype, np.integer) and low >= 0 and high <= 255:
        return np.ascontiguousarray(images.astype(np.uint8))
    raise UserError(
        f"{name}: {part}: images are {images.dtype} from {low:g} to {high:g}; "
        f"give uint8, or floats from 0 to 1{_advice(images.dtype, low, high)}"
    )


def _advice(kind: np.dtype[Any], low: float, high: float) -> str:
    """Returns what to type for values that other tools give; empty if they are not known."""
    if kind.kind == "f" and low >= 0 and 1 < high <= 255:
        return ": x / 255"
    if kind.kind == "f" and low >= -1 and high <= 1:
        return ": (x + 1) / 2"
    if kind == np.uint16:
        return ": x / 65535, or by the largest value of your camera"
    if kind == np.bool_:
        return ": x.astype(float)"
    return ""


def _surprises(images: np.ndarray, pixels: np.ndarray) -> Iterator[str]:
    """Yields a sentence for each way in which the pixels may not be what the user means."""
    if images.dtype.kind == "f":
        fine = images[:SAMPLE].astype(np.float64) * 255
        if np.abs(fine - np.rint(fine)).max() > 1e-2:
            yield (
                "The images are floats with more than 256 levels. They were rounded to 8 bits, so "
                "outputs differ slightly from those on your floats. Type inputs: tensors to keep "
                "the floats."
            )
    elif pixels.max() <= 1:
        yield (
            "The images are integers from 0 to 1, where 255 is white, so they are nearly black. "
            "Give floats if 1 means white."
        )
