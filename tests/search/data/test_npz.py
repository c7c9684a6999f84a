"""Arrays of an .npz file: the parts it may have, and the message for every mistake."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paretune.search.data import load_data
from paretune.search.data.image_dataset import ImageDataset
from paretune.search.errors import UserError

Arrays = dict[str, np.ndarray]
LoadNpz = Callable[..., ImageDataset]


@pytest.mark.parametrize("ending", ["val", "valid", "validation"])
def test_existing_parts_are_kept(load_npz: LoadNpz, arrays: Arrays, ending: str) -> None:
    x, y = arrays["x_train"], arrays["y_train"]

    data = load_npz(
        **arrays,
        **{f"x_{ending}": x[:12], f"y_{ending}": y[:12]},
        x_test=x[:4],
        y_test=y[:4],
    )

    assert data.info()["sizes"] == {"train": 40, "validation": 12, "test": 4}


def test_names_of_arrays_may_be_in_any_case(load_npz: LoadNpz, arrays: Arrays) -> None:
    x, y = arrays["x_train"], arrays["y_train"]

    data = load_npz(
        X_train=x, y_train=y, X_Testing=x[:4], Y_TESTING=y[:4], X_dev=x[:8], y_dev=y[:8]
    )

    assert data.info()["sizes"] == {"train": 40, "validation": 8, "test": 4}


X, Y = "x_train", "y_train"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: {}, "x_train and y_train are missing; arrays found: none"),
        (lambda a: {"images": a[X]}, "x_train and y_train are missing; arrays found: images"),
        (lambda a: {X: a[X]}, "the array y_train is missing"),
        (lambda a: {Y: a[Y]}, "the array x_train is missing"),
        (lambda a: {**a, "x_val": a[X]}, "the array y_val is missing"),
        (
            lambda a: {**a, "x_val": a[X][:, :2], "y_val": a[Y]},
            "the parts' images differ in shape: train [3, 4, 4], validation [3, 2, 4]",
        ),
        (
            lambda a: {**a, "X_Train": a[X]},
            "x_train and X_Train are the same array of train; leave one",
        ),
        (
            lambda a: {**a, "x_val": a[X], "y_val": a[Y], "y_validation": a[Y]},
            "y_val and y_validation are the same array of validation; leave one",
        ),
    ],
)  # fmt: skip
def test_arrays_are_refused_when_one_is_missing_or_shapes_differ(
    load_npz: LoadNpz, arrays: Arrays, change: Any, message: str
) -> None:
    with pytest.raises(UserError) as error:
        load_npz(**change(arrays))

    assert str(error.value).startswith(f"data: data.npz: {message}")


def test_arrays_of_objects_are_not_unpickled(load_npz: LoadNpz, arrays: Arrays) -> None:
    with pytest.raises(UserError, match="Object arrays cannot be loaded when allow_pickle=False"):
        load_npz(x_train=arrays["x_train"].astype(object), y_train=arrays["y_train"])


def test_file_is_refused_when_it_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        load_data("npz", {"file": "no.npz"}, tmp_path)

    assert str(error.value) == f"data: {tmp_path}/no.npz: there is no such file"


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 cut off", b"\x93NUMPY"])
def test_file_is_refused_when_it_is_not_an_archive(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "data.npz").write_bytes(content)

    with pytest.raises(UserError, match=r"data\.npz cannot be read as an \.npz archive: "):
        load_data("npz", {"file": "data.npz"}, tmp_path)


def test_file_is_refused_when_it_holds_one_array(tmp_path: Path) -> None:
    np.save(tmp_path / "data.npy", np.zeros((3, 4, 4)))

    with pytest.raises(UserError, match=r"data\.npy holds one array; give an \.npz archive"):
        load_data("npz", {"file": "data.npy"}, tmp_path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damaged_file_is_refused_or_read(tmp_path: Path, arrays: Arrays, save: Any) -> None:
    file = tmp_path / "data.npz"
    save(file, **arrays)
    content, chance = file.read_bytes(), random.Random(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(content))] = chance.randrange(256)
        file.write_bytes(damaged[: chance.choice([len(content), chance.randrange(len(content))])])
        try:
            load_data("npz", {"file": "data.npz"}, tmp_path)
        except UserError as error:
            assert "data.npz" in str(error)
            refused += 1

    assert refused > 100


@pytest.mark.cifar
@pytest.mark.skipif("PARETUNE_CIFAR" not in os.environ, reason="PARETUNE_CIFAR is not set")
def test_cifar_is_read_and_split() -> None:
    folder = Path(os.environ["PARETUNE_CIFAR"])

    data = load_data("npz", {"file": "cifar10_2k.npz"}, folder)

    assert data.info() == {
        "source": "cifar10_2k.npz",
        "sizes": {"train": 1600, "validation": 400, "test": 1000},
        "shape": [3, 32, 32],
        "classes": 10,
        "streamed": False,
    }
    assert data.mean == pytest.approx((0.491, 0.482, 0.447), abs=0.02)
    assert data.std == pytest.approx((0.247, 0.243, 0.262), abs=0.02)
