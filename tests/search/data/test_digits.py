"""The embedded digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from paretune.search.data import load_data
from paretune.search.data.dataset import PARTS, Dataset
from paretune.search.data.digits import FILE
from paretune.search.data.split import split_by_class


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_data("digits", {}, Path("/nowhere"))


def test_digits_have_the_sizes_of_the_readme(digits: Dataset) -> None:
    assert digits.info() == {
        "source": "digits",
        "sizes": {"train": 899, "validation": 448, "test": 450},
        "shape": [1, 8, 8],
        "classes": 10,
        "streamed": False,
    }


def test_digits_are_stratified(digits: Dataset) -> None:
    counts = {}
    for part in PARTS:
        labels = np.concatenate([labels for _, labels in digits.arrays(part, 256)])
        counts[part] = np.bincount(labels, minlength=10)

    total = sum(counts.values())
    for part, share in (("train", 0.5), ("validation", 0.25), ("test", 0.25)):
        assert np.abs(counts[part] - share * total).max() <= 1


def test_digits_do_not_depend_on_seed_or_share(digits: Dataset) -> None:
    other = load_data("digits", {"validation": 0.4}, Path("/nowhere"), seed=9)

    assert other.fingerprint == digits.fingerprint


def test_digits_keep_their_fingerprint(digits: Dataset) -> None:
    # Part of every stage key: another fingerprint makes all stage caches useless.
    expected = "daa2d4546b40b3591daf8fff581f550628917819a30e8d85617e7cc9deeb1259"
    assert digits.fingerprint == expected


def test_file_has_the_documented_arrays() -> None:
    with np.load(FILE) as arrays:
        x = np.concatenate([arrays[f"x_{part}"] for part in PARTS])
        y = np.concatenate([arrays[f"y_{part}"] for part in PARTS])

    assert x.shape == (1797, 8, 8, 1)
    assert x.dtype == np.uint8
    assert set(np.unique(x)) == {round(grey * 255 / 16) for grey in range(17)}
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert len(split_by_class(y, 0.5, 0)[0]) == 899


def test_parts_share_no_image() -> None:
    with np.load(FILE) as arrays:
        seen = [{image.tobytes() for image in arrays[f"x_{part}"]} for part in PARTS]

    assert not seen[0] & seen[1]
    assert not seen[0] & seen[2]
    assert not seen[1] & seen[2]
