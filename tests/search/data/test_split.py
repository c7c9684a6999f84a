"""Splits by class: disjoint, complete, stratified, deterministic; and parts that are missing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretune.search.data.image_dataset import ImageDataset
from paretune.search.data.params import SplitParams
from paretune.search.data.raw_data import RawData, RawPart
from paretune.search.data.split import (
    Split,
    complete_parts,
    split_at_random,
    split_by_class,
    split_texts,
)
from paretune.search.errors import UserError
from paretune.search.tasks.target_facts import TargetFacts

Arrays = dict[str, np.ndarray]
LoadNpz = Callable[..., ImageDataset]

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=60).map(
    lambda labels: np.array(sorted(labels * 2), dtype=np.int64)  # each class at least twice
)


@settings(deadline=None, max_examples=60)
@given(labels=LABELS, share=st.floats(0.01, 0.99), seed=st.integers(0, 2**32 - 1))
def test_split_takes_a_share_of_each_class(labels: np.ndarray, share: float, seed: int) -> None:
    stay, off = split_by_class(labels, share, seed)

    assert sorted([*stay, *off]) == list(range(len(labels)))
    assert (np.diff(stay) > 0).all()
    assert (np.diff(off) > 0).all()
    for label in np.unique(labels):
        count = int((labels == label).sum())
        taken = int((labels[off] == label).sum())
        assert taken == min(max(1, round(count * share)), count - 1)


@settings(deadline=None, max_examples=60)
@given(labels=LABELS, share=st.floats(0.01, 0.99), seed=st.integers(0, 1000))
def test_split_is_the_same_each_time(labels: np.ndarray, share: float, seed: int) -> None:
    first, second = split_by_class(labels, share, seed), split_by_class(labels, share, seed)

    assert (first[0] == second[0]).all()
    assert (first[1] == second[1]).all()


def test_split_depends_on_the_seed() -> None:
    labels = np.arange(100) % 2

    assert (split_by_class(labels, 0.5, 0)[1] != split_by_class(labels, 0.5, 1)[1]).any()


def test_split_of_a_class_does_not_depend_on_the_others() -> None:
    labels = np.arange(90) % 3
    fewer = np.where(labels == 2, 1, labels)

    first, second = split_by_class(labels, 0.3, 5)[1], split_by_class(fewer, 0.3, 5)[1]

    assert first[labels[first] == 0].tolist() == second[fewer[second] == 0].tolist()


def test_class_is_refused_when_it_has_one_example() -> None:
    with pytest.raises(ValueError, match=r"class 2 has 1 example; a split needs two of each class"):
        split_by_class(np.array([0, 0, 1, 1, 2]), 0.2, 0)


# -- missing parts -------------------------------------------------------------------------------


def test_validation_share_is_that_of_the_options(load_npz: LoadNpz, arrays: Arrays) -> None:
    assert load_npz(validation=0.5, **arrays).size("validation") == 16


def test_validation_part_is_refused_when_a_class_is_too_small(
    load_npz: LoadNpz, arrays: Arrays
) -> None:
    x, y = arrays["x_train"][:8], arrays["y_train"][:8]

    with pytest.raises(UserError, match="no validation part is given, and class 0 has 1 example"):
        load_npz(x_train=x, y_train=y)


def test_missing_parts_are_split_off(load_npz: LoadNpz, arrays: Arrays) -> None:
    data = load_npz(**arrays)

    # A fifth of each class of ten to test on, then a fifth of the other eight to validate on.
    assert data.info()["sizes"] == {"train": 24, "validation": 8, "test": 8}
    assert (data.shape, data.classes) == ((3, 4, 4), 4)


def test_test_part_is_refused_when_a_class_is_too_small(load_npz: LoadNpz, arrays: Arrays) -> None:
    with pytest.raises(UserError, match="no test part is given, and class 0 has 1 example"):
        load_npz(x_train=arrays["x_train"][:4], y_train=arrays["y_train"][:4])


# -- weights that may have seen the training part ------------------------------------------------


def part_of(*labels: int, first: int = 0) -> RawPart:
    """Returns a part of these labels, with a different text for each example."""
    texts = tuple(f"text {first + row}" for row in range(len(labels)))
    return RawPart(np.array(labels, dtype=np.int64), texts=texts)


TRAIN = part_of(*[0, 1] * 20)
VALIDATION = part_of(*[0, 1] * 5, first=100)
TEST = part_of(0, 1, first=200)


def split_of(unseen: list[str] | None = None, seen: bool = True, **parts: RawPart) -> Split:
    raw = RawData("raw", {"train": TRAIN, **parts}, TargetFacts("class", 2))
    params = SplitParams.model_validate({"unseen": unseen or []})
    return complete_parts(raw, params, 0, seen)


def sizes(split: Split) -> dict[str, int]:
    return {name: len(part) for name, part in split.parts.items()}


def test_seen_split_takes_half_of_the_validation_part_as_test() -> None:
    split = split_of(validation=VALIDATION)

    # Of five examples of each class, two are the half that Python rounds to.
    assert sizes(split) == {"train": 40, "validation": 6, "test": 4}
    assert split.parts["train"].texts == TRAIN.texts
    halves = split.parts["validation"].texts, split.parts["test"].texts
    assert sorted([*halves[0], *halves[1]]) == sorted(VALIDATION.texts)
    assert np.bincount(split.parts["test"].labels).tolist() == [2, 2]
    assert split.no_test is None
    assert [note[:45] for note in split.notes] == ["The test part is half of the validation part,"]


def test_seen_split_is_the_same_each_time() -> None:
    first, second = split_of(validation=VALIDATION), split_of(validation=VALIDATION)

    assert first.parts["test"].texts == second.parts["test"].texts


def test_seen_split_has_no_test_part_when_there_is_only_training_data() -> None:
    split = split_of()

    assert sizes(split) == {"train": 32, "validation": 8, "test": 0}
    assert split.no_test is not None
    assert split.no_test.startswith("There is no test part, because the study starts from trained")
    assert split.no_test.endswith("type data: {..., unseen: [test]}.")
    [note] = split.notes
    assert note.startswith("The validation part is split off the training part, which the study's")
    assert note.endswith("type data: {..., unseen: [validation]}.")


def test_seen_split_keeps_a_test_part_of_the_data() -> None:
    split = split_of(validation=VALIDATION, test=TEST)

    assert sizes(split) == {"train": 40, "validation": 10, "test": 2}
    assert (split.no_test, split.notes) == (None, ())


def test_seen_split_warns_of_the_validation_part_when_only_test_is_given() -> None:
    split = split_of(test=TEST)

    assert sizes(split) == {"train": 32, "validation": 8, "test": 2}
    assert split.no_test is None
    assert len(split.notes) == 1


@pytest.mark.parametrize("parts", [{}, {"validation": VALIDATION}, {"test": TEST}])
def test_seen_split_is_as_usual_when_all_parts_are_unseen(parts: dict[str, RawPart]) -> None:
    split = split_of(["validation", "test"], **parts)
    usual = split_of(seen=False, **parts)

    assert {n: p.texts for n, p in split.parts.items()} == {
        n: p.texts for n, p in usual.parts.items()
    }
    assert (split.no_test, split.notes) == (None, ())


def test_advice_repeats_what_is_unseen_already() -> None:
    [note] = split_of(["test"]).notes

    assert note.endswith("type data: {..., unseen: [test, validation]}.")


def test_usual_split_does_not_depend_on_unseen() -> None:
    usual, other = split_of(seen=False), split_of(["test"], seen=False)

    assert usual.parts["test"].texts == other.parts["test"].texts
    assert (usual.seen, usual.no_test, usual.notes) == (False, None, ())


def test_class_with_one_validation_example_keeps_it() -> None:
    split = split_of(validation=part_of(0, 0, 0, 0, 1, first=100))

    assert split.parts["test"].labels.tolist() == [0, 0]
    assert split.parts["validation"].labels.tolist() == [0, 0, 1]


def test_seen_split_has_no_test_part_when_the_validation_part_is_too_small() -> None:
    split = split_of(validation=part_of(0, 1, first=100))

    assert sizes(split) == {"train": 40, "validation": 2, "test": 0}
    assert split.no_test is not None
    assert "no class has two validation examples" in split.no_test


def test_unseen_takes_a_single_name() -> None:
    assert SplitParams.model_validate({"unseen": "test"}).unseen == ["test"]


@settings(deadline=None, max_examples=60)
@given(count=st.integers(2, 80), share=st.floats(0.01, 0.99), seed=st.integers(0, 1000))
def test_random_split_covers_all_rows_and_follows_the_seed(
    count: int, share: float, seed: int
) -> None:
    stay, off = split_at_random(count, share, seed)

    assert sorted([*stay, *off]) == list(range(count))
    assert len(off) == min(max(1, round(count * share)), count - 1)
    again = split_at_random(count, share, seed)
    assert np.array_equal(stay, again[0])
    assert np.array_equal(off, again[1])


def test_random_split_needs_two_examples() -> None:
    with pytest.raises(ValueError, match="there is 1 example; a split needs two"):
        split_at_random(1, 0.5, 0)


def test_texts_are_split_at_their_ends() -> None:
    begins, ends = split_texts(["abcdefghij", "klmno", "p"], 0.2)

    assert begins == ["abcdefgh", "klmn", "p"]
    assert ends == ["ij", "o"]


def test_values_are_split_at_random() -> None:
    part = RawPart(np.arange(20, dtype=np.float32)[:, None], inputs=np.arange(20)[:, None])
    raw = RawData("raw", {"train": part}, TargetFacts("values", 1))

    split = complete_parts(raw, SplitParams(), 0)

    assert {name: len(each) for name, each in split.parts.items()} == {
        "train": 13, "validation": 3, "test": 4
    }  # fmt: skip
    for each in split.parts.values():
        assert each.inputs is not None
        assert np.array_equal(each.targets, each.inputs)


def test_seen_split_halves_validation_values_at_random() -> None:
    part = RawPart(np.arange(10, dtype=np.float32)[:, None], inputs=np.arange(10)[:, None])
    raw = RawData("raw", {"train": part, "validation": part}, TargetFacts("values", 1))

    split = complete_parts(raw, SplitParams(), 0, seen=True)

    assert len(split.parts["test"]) == len(split.parts["validation"]) == 5
    assert len(split.parts["train"]) == 10
