"""Splits off missing parts by class, deterministically, and never calls seen examples test.

The study's weights may have been trained on the training part: those of a checkpoint, or of the
user's own code. An accuracy on such examples is no test. So the test part then comes from the
validation part, or there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from paretune.search.data.params import SplitParams
from paretune.search.data.raw_data import RawData, RawPart
from paretune.search.errors import UserError

TEST_SHARE = 0.2
"""Share of the training part that becomes the test part if a source has none."""

TEST_SHARE_OF_VALIDATION = 0.5
"""Share of the validation part that becomes the test part if weights may have seen the rest."""

HALF_OF_VALIDATION = (
    "The test part is half of the validation part, because the study starts from trained weights, "
    "which may have seen the training part."
)
SEEN_VALIDATION = (
    "The validation part is split off the training part, which the study's trained weights may "
    "have seen. So validation accuracies may be too high, above all the baseline's. Give "
    "validation data of your own. Or, if the weights were not trained on these files, type "
    "data: {{..., unseen: [{unseen}]}}."
)
ONLY_TRAINING = (
    "There is no test part, because the study starts from trained weights, which may have seen the "
    "training part. Give test data of your own. Or, if the weights were not trained on these "
    "files, type data: {{..., unseen: [{unseen}]}}."
)
SMALL_VALIDATION = (
    "There is no test part, because the study starts from trained weights, which may have seen the "
    "training part, and no class has two validation examples to split. Give test data of your own."
)


@dataclass(frozen=True)
class Split:
    """A data set's three parts, and what a user must know about those that were split off.

    Attributes:
        parts: "train", "validation" and "test"; without a test part, the last one is empty.
        seen: Whether the study starts from weights that may have seen the training part.
        no_test: Why there is no test part; None if there is one.
        notes: Sentences about the origin of parts.
    """

    parts: Mapping[str, RawPart]
    seen: bool = False
    no_test: str | None = None
    notes: tuple[str, ...] = ()


def complete_parts(raw: RawData, params: SplitParams, seed: int, seen: bool = False) -> Split:
    """Returns the three parts; missing ones are split off.

    A test part is split off the training part. If `seen`, it is split off the validation part, so
    that no weights have seen it; without a validation part, there is no test part. The option
    `unseen` says which parts may come from the training part all the same.

    Args:
        raw: Data as its source gives it.
        params: Options of the data set.
        seed: Seed of the choice.
        seen: Whether the study starts from weights that may have seen the training part.

    Raises:
        UserError: A class has too few examples to split.
    """
    parts, no_test, notes = dict(raw.parts), None, []
    if "test" not in parts:
        if not seen or "test" in params.unseen:
            _split_off(raw.name, parts, "test", TEST_SHARE, seed)
        elif "validation" not in parts:
            parts["test"], no_test = _empty(parts["train"]), _advice(ONLY_TRAINING, params, "test")
        elif _test_from_validation(parts, seed):
            notes.append(HALF_OF_VALIDATION)
        else:
            parts["test"], no_test = _empty(parts["train"]), SMALL_VALIDATION
    if "validation" not in parts:
        _split_off(raw.name, parts, "validation", params.validation, seed)
        if seen and "validation" not in params.unseen:
            notes.append(_advice(SEEN_VALIDATION, params, "validation"))
    return Split(parts, seen, no_test, tuple(notes))


def split_by_class(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the rows that stay and the rows that are split off, both ascending.

    Every class loses its share, rounded, but at least one example and never its last one. The
    choice within a class depends on the seed and that class alone.

    Args:
        labels: int64 [N], each class at least twice.
        share: Share of each class that is split off, in (0, 1).
        seed: Seed of the choice.

    Raises:
        ValueError: A class has fewer than two examples.
    """
    off: list[np.ndarray] = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        if len(rows) < 2:
            raise ValueError(
                f"class {label} has {len(rows)} example; a split needs two of each class"
            )
        count = min(max(1, round(len(rows) * share)), len(rows) - 1)
        off.append(np.random.default_rng([seed, int(label)]).permutation(rows)[:count])
    away = np.sort(np.concatenate(off))
    stay = np.setdiff1d(np.arange(len(labels)), away)
    return stay, away


def _split_off(name: str, parts: dict[str, RawPart], part: str, share: float, seed: int) -> None:
    """Moves a share of the training part to a part.

    Raises:
        UserError: A class has too few examples to split.
    """
    try:
        stay, off = split_by_class(parts["train"].labels, share, seed)
    except ValueError as error:
        raise UserError(f"{name}: no {part} part is given, and {error}") from error
    parts[part], parts["train"] = parts["train"].take(off), parts["train"].take(stay)


def _test_from_validation(parts: dict[str, RawPart], seed: int) -> bool:
    """Moves half of each class of the validation part to the test part.

    A class with one validation example keeps it.

    Returns:
        False if no class has two examples; then nothing is moved.
    """
    labels = parts["validation"].labels
    numbers, counts = np.unique(labels, return_counts=True)
    rows = np.flatnonzero(np.isin(labels, numbers[counts > 1]))
    if not len(rows):
        return False
    _, off = split_by_class(labels[rows], TEST_SHARE_OF_VALIDATION, seed)
    stay = np.setdiff1d(np.arange(len(labels)), rows[off])
    validation = parts["validation"]
    parts["test"], parts["validation"] = validation.take(rows[off]), validation.take(stay)
    return True


def _advice(text: str, params: SplitParams, part: str) -> str:
    """Returns a sentence with the names to type after `unseen`."""
    return text.format(unseen=", ".join([*params.unseen, part]))


def _empty(part: RawPart) -> RawPart:
    return part.take(np.arange(0))
