"""Arrays of an .npz file: what fits, and what every mistake says."""

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
from paretune.search.data.npz import raw_from_arrays
from paretune.search.errors import UserError

Arrays = dict[str, np.ndarray]
LoadNpz = Callable[..., ImageDataset]


def test_parts_are_split_off_when_there_is_only_training(load_npz: LoadNpz, arrays: Arrays) -> None:
    data = load_npz(**arrays)

    # A fifth of each class of ten for the test, a fifth of the eight left to validate on.
    assert data.info()["sizes"] == {"train": 24, "validation": 8, "test": 8}
    assert (data.shape, data.classes) == ((3, 4, 4), 4)


@pytest.mark.parametrize("ending", ["val", "valid", "validation"])
def test_given_parts_are_kept(load_npz: LoadNpz, arrays: Arrays, ending: str) -> None:
    x, y = arrays["x_train"], arrays["y_train"]

    data = load_npz(
        **arrays,
        **{f"x_{ending}": x[:12], f"y_{ending}": y[:12]},
        x_test=x[:4],
        y_test=y[:4],
    )

    assert data.info()["sizes"] == {"train": 40, "validation": 12, "test": 4}


@pytest.mark.parametrize(
    ("change", "shape"),
    [
        (lambda x: x, (3, 4, 4)),
        (lambda x: x[..., :1], (1, 4, 4)),
        (lambda x: x[..., 0], (1, 4, 4)),
        (lambda x: np.concatenate([x, x[..., :1]], 3), (4, 4, 4)),
        (lambda x: x.repeat(2, 1).repeat(2, 2).transpose(0, 3, 1, 2), (3, 8, 8)),
        (lambda x: x.astype(np.int64), (3, 4, 4)),
        (lambda x: x / 255, (3, 4, 4)),
        (lambda x: (x / 255).astype(np.float32), (3, 4, 4)),
    ],
)  # fmt: skip
def test_images_are_taken_in_every_form(
    arrays: Arrays, change: Any, shape: tuple[int, ...]
) -> None:
    given = {**arrays, "x_train": change(arrays["x_train"])}

    images = raw_from_arrays("data: x", given).parts["train"].images

    assert images is not None
    assert images.dtype == np.uint8
    assert images.shape == (40, *shape)
    assert (images[:, 0, 0, 0] == arrays["x_train"][:, 0, 0, 0]).all()


@pytest.mark.parametrize(
    "change",
    [
        lambda y: y,
        lambda y: y.astype(np.uint8),
        lambda y: y.astype(np.float64),
        lambda y: y[:, None],
    ],
)
def test_labels_are_taken_in_every_form(arrays: Arrays, change: Any) -> None:
    given = {**arrays, "y_train": change(arrays["y_train"])}

    labels = raw_from_arrays("data: x", given).parts["train"].labels

    assert labels.dtype == np.int64
    assert labels.tolist() == arrays["y_train"].tolist()


X, Y = "x_train", "y_train"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: {}, "x_train and y_train are missing; arrays found: none"),
        (lambda a: {"images": a[X]}, "x_train and y_train are missing; arrays found: images"),
        (lambda a: {X: a[X]}, "the array y_train is missing"),
        (lambda a: {Y: a[Y]}, "the array x_train is missing"),
        (lambda a: {**a, "x_val": a[X]}, "the array y_val is missing"),
        # labels
        (
            lambda a: {**a, Y: a[Y][:-1]},
            "train: images of shape [40, 4, 4, 3], labels of shape [39]; "
            "give one integer for each image",
        ),
        (
            lambda a: {**a, Y: np.eye(4)[a[Y]]},
            "train: images of shape [40, 4, 4, 3], labels of shape [40, 4]; give one integer",
        ),
        (lambda a: {**a, Y: np.array(1)}, "train: images of shape [40, 4, 4, 3], labels of shape "),
        (lambda a: {X: np.array(5), Y: a[Y]}, "train: images of shape [], labels of shape [40]"),
        (lambda a: {X: a[X][:0], Y: a[Y][:0]}, "train: there are no examples"),
        (lambda a: {**a, Y: a[Y].astype(str)}, "train: labels are <U21; give integers from 0"),
        (lambda a: {**a, Y: a[Y] > 0}, "train: labels are bool; give integers from 0"),
        (lambda a: {**a, Y: a[Y] + 0.5}, "train: labels are float64; give integers from 0"),
        (lambda a: {**a, Y: np.where(a[Y], 1, np.nan)}, "train: labels are float64; give integers"),
        (lambda a: {**a, Y: np.where(a[Y], 1, np.inf)}, "train: labels are float64; give integers"),
        (lambda a: {**a, Y: a[Y] - 1}, "train: label -1 is out of range; count from 0"),
        (
            lambda a: {**a, Y: np.where(a[Y], 1, 2**40)},
            "train: label 1099511627776 is out of range; count from 0",
        ),
        (lambda a: {**a, Y: np.where(a[Y], 1, 1e300)}, "train: label 1e+300 is out of range"),
        (lambda a: {**a, Y: a[Y] * 0}, "the training part has one class only (0); there is"),
        (
            lambda a: {**a, Y: a[Y] * 2},
            "the training part has no example of class 1, 3, 5 although labels go up to 6; "
            "number the classes from 0 without gaps",
        ),
        (
            lambda a: {**a, Y: np.where(a[Y], 1, 2**31 - 1)},
            "the training part has no example of class 0, 2, 3, 4, 5 although labels go up to "
            "2147483647; number",
        ),
        (
            lambda a: {**a, "x_test": a[X], "y_test": a[Y] + 1},
            "test: label 4 is out of range; the training part has classes 0 to 3",
        ),
        # images
        (
            lambda a: {**a, X: a[X].reshape(40, -1)},
            "train: images of shape [40, 48]; give [N, H, W], [N, H, W, C] or [N, C, H, W] with "
            "1, 3 or 4 channels",
        ),
        (lambda a: {**a, X: np.zeros((40, 5, 5, 5))}, "train: images of shape [40, 5, 5, 5]; "),
        (
            lambda a: {**a, X: a[X].astype(float)},
            "train: images are float64 from 0 to 255; give uint8, or floats from 0 to 1",
        ),
        (lambda a: {**a, X: a[X] / 255 - 0.5}, "train: images are float64 from -0.5 to 0.5; give "),
        (lambda a: {**a, X: np.full((40, 4, 4), np.nan)}, "train: images are float64 from nan to "),
        (lambda a: {**a, X: a[X].astype(int) - 9}, "train: images are int64 from -9 to 246; give "),
        (lambda a: {**a, X: a[X] > 9}, "train: images are bool from 0 to 1; give uint8, or floats"),
        (lambda a: {**a, X: a[X].astype(str)}, "train: images are <U3 of shape [40, 3, 4, 4]; "),
        (lambda a: {**a, X: a[X].astype(complex)}, "train: images are complex128 of shape "),
        (lambda a: {**a, X: a[X][:, :0]}, "train: images are uint8 of shape [40, 3, 0, 4]; give "),
        (lambda a: {**a, X: a[X][:, :0] / 9}, "train: images are float64 of shape [40, 3, 0, 4]; "),
        (
            lambda a: {**a, "x_val": a[X][:, :3], "y_val": a[Y]},
            "the parts' images differ in shape: train [3, 4, 4], validation [3, 3, 4]",
        ),
    ],
)  # fmt: skip
def test_arrays_are_refused(load_npz: LoadNpz, arrays: Arrays, change: Any, said: str) -> None:
    with pytest.raises(UserError) as error:
        load_npz(**change(arrays))

    assert str(error.value).startswith(f"data: data.npz: {said}")


def test_arrays_of_objects_are_not_unpickled(load_npz: LoadNpz, arrays: Arrays) -> None:
    with pytest.raises(UserError, match="Object arrays cannot be loaded when allow_pickle=False"):
        load_npz(x_train=arrays["x_train"].astype(object), y_train=arrays["y_train"])


def test_class_is_refused_when_it_is_too_small_to_split(load_npz: LoadNpz, arrays: Arrays) -> None:
    with pytest.raises(UserError, match="no test part is given, and class 0 has 1 example"):
        load_npz(x_train=arrays["x_train"][:4], y_train=arrays["y_train"][:4])


def test_file_is_refused_when_it_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        load_data("npz", {"file": "no.npz"}, tmp_path)

    assert str(error.value) == f"data: {tmp_path}/no.npz: there is no such file"


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 cut off", b"\x93NUMPY"])
def test_file_is_refused_when_it_is_no_archive(tmp_path: Path, content: bytes) -> None:
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
    whole, chance = file.read_bytes(), random.Random(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(whole))] = chance.randrange(256)
        file.write_bytes(damaged[: chance.choice([len(whole), chance.randrange(len(whole))])])
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
