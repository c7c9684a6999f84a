"""Splits by class: disjoint, complete, stratified, deterministic; and parts that are missing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretune.search.data.image_dataset import ImageDataset
from paretune.search.data.split import split_by_class
from paretune.search.errors import UserError

Arrays = dict[str, np.ndarray]
LoadNpz = Callable[..., ImageDataset]

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=60).map(
    lambda labels: np.array(sorted(labels * 2), dtype=np.int64)  # each class at least twice
)


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
