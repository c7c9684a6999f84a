"""Splits off missing parts, deterministically, and never calls seen examples test.

Classes are split one by one, so that each keeps its share. Other targets are split at random, and
each text of a language model is cut, because its end continues its beginning.

The study's weights may have been trained on the training part: those of a checkpoint, or of the
user's own code. An accuracy on such examples is no test. So the test part then comes from the
validation part, or there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from paretune.search.data.params import SplitParams
from paretune.search.data.raw_data import RawData, RawPart, text_part
from paretune.search.errors import UserError
from paretune.search.tasks.target_facts import TargetKind

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
        UserError: A class, or the training part, has too few examples to split.
    """
    parts, no_test, notes = dict(raw.parts), None, []
    kind = raw.facts.kind
    if "test" not in parts:
        if not seen or "test" in params.unseen:
            _split_off(raw.name, parts, "test", TEST_SHARE, seed, kind)
        elif "validation" not in parts:
            parts["test"], no_test = _empty(parts["train"]), _advice(ONLY_TRAINING, params, "test")
        elif _test_from_validation(parts, seed, kind):
            notes.append(HALF_OF_VALIDATION)
        else:
            parts["test"], no_test = _empty(parts["train"]), SMALL_VALIDATION
    if "validation" not in parts:
        _split_off(raw.name, parts, "validation", params.validation, seed, kind)
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


def split_at_random(count: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the rows that stay and the rows that are split off, both ascending.

    Args:
        count: Number of examples.
        share: Share that is split off, in (0, 1); at least one example goes and one stays.
        seed: Seed of the choice.

    Raises:
        ValueError: There are fewer than two examples.
    """
    if count < 2:
        raise ValueError(f"there is {count} example; a split needs two")
    off = min(max(1, round(count * share)), count - 1)
    rows = np.random.default_rng(seed).permutation(count)
    return np.sort(rows[off:]), np.sort(rows[:off])


def split_texts(texts: Sequence[str], share: float) -> tuple[list[str], list[str]]:
    """Returns the beginnings of texts and their ends, which are split off.

    Args:
        texts: Long texts.
        share: Share of the characters of each text that is split off, in (0, 1).
    """
    cuts = [len(text) - round(len(text) * share) for text in texts]
    begins = [text[:cut] for text, cut in zip(texts, cuts, strict=True)]
    ends = [text[cut:] for text, cut in zip(texts, cuts, strict=True)]
    return [text for text in begins if text], [text for text in ends if text]


def _split_off(
    name: str, parts: dict[str, RawPart], part: str, share: float, seed: int, kind: TargetKind
) -> None:
    """Moves a share of the training part to a part.

    Raises:
        UserError: A class, or the part, has too few examples to split.
    """
    try:
        parts["train"], parts[part] = _halves(parts["train"], share, seed, kind)
    except ValueError as error:
        raise UserError(f"{name}: no {part} part is given, and {error}") from error


def _halves(part: RawPart, share: float, seed: int, kind: TargetKind) -> tuple[RawPart, RawPart]:
    """Returns the examples that stay and those that are split off.

    Raises:
        ValueError: A class, or the part, has too few examples to split.
    """
    if part.texts and kind == "next":
        begins, ends = split_texts(part.texts, share)
        return text_part(begins), text_part(ends)
    if kind == "class":
        stay, off = split_by_class(part.labels, share, seed)
    else:
        stay, off = split_at_random(len(part), share, seed)
    return part.take(stay), part.take(off)


def _test_from_validation(parts: dict[str, RawPart], seed: int, kind: TargetKind) -> bool:
    """Moves half of the validation part, or of each of its classes, to the test part.

    A class with one validation example keeps it.

    Returns:
        False if no class has two examples; then nothing is moved.
    """
    validation = parts["validation"]
    if kind != "class":
        try:
            parts["validation"], parts["test"] = _halves(
                validation, TEST_SHARE_OF_VALIDATION, seed, kind
            )
        except ValueError:
            return False
        return True
    labels = validation.labels
    numbers, counts = np.unique(labels, return_counts=True)
    rows = np.flatnonzero(np.isin(labels, numbers[counts > 1]))
    if not len(rows):
        return False
    _, off = split_by_class(labels[rows], TEST_SHARE_OF_VALIDATION, seed)
    stay = np.setdiff1d(np.arange(len(labels)), rows[off])
    parts["test"], parts["validation"] = validation.take(rows[off]), validation.take(stay)
    return True


def _advice(text: str, params: SplitParams, part: str) -> str:
    """Returns a sentence with the names to type after `unseen`."""
    return text.format(unseen=", ".join([*params.unseen, part]))


def _empty(part: RawPart) -> RawPart:
    return part.take(np.arange(0))
