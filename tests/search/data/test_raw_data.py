"""Arrays that a source may give: accepted forms, and the message for every mistake."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from paretune.search.data.image_dataset import ImageDataset
from paretune.search.data.npz import raw_from_arrays
from paretune.search.errors import UserError

Arrays = dict[str, np.ndarray]
LoadNpz = Callable[..., ImageDataset]


@pytest.mark.parametrize(
    ("change", "shape"),
    [
        (lambda x: x, (3, 4, 4)),
        (lambda x: x[..., :1], (1, 4, 4)),
        (lambda x: x[..., 0], (1, 4, 4)),
        (lambda x: np.concatenate([x, x[..., :1]], 3).repeat(2, 1).repeat(2, 2), (4, 8, 8)),
        (lambda x: x.repeat(2, 1).repeat(2, 2).transpose(0, 3, 1, 2), (3, 8, 8)),
        (lambda x: x.transpose(0, 3, 1, 2), (3, 4, 4)),
        (np.asfortranarray, (3, 4, 4)),
        (lambda x: x.astype(">i4"), (3, 4, 4)),
        (lambda x: x.astype(np.uint16), (3, 4, 4)),
        (lambda x: (x / 255).astype(">f4"), (3, 4, 4)),
        (lambda x: (x / 255).astype(np.float16), (3, 4, 4)),
        (lambda x: x / 255 * (1 + 1e-7), (3, 4, 4)),
        (lambda x: x.astype(np.int64), (3, 4, 4)),
        (lambda x: x / 255, (3, 4, 4)),
        (lambda x: (x / 255).astype(np.float32), (3, 4, 4)),
    ],
)  # fmt: skip
def test_images_are_accepted_in_every_form(
    arrays: Arrays, change: Any, shape: tuple[int, ...]
) -> None:
    changed = {**arrays, "x_train": change(arrays["x_train"])}

    images = raw_from_arrays("data: x", changed).parts["train"].images

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
def test_labels_are_accepted_in_every_form(arrays: Arrays, change: Any) -> None:
    changed = {**arrays, "y_train": change(arrays["y_train"])}

    labels = raw_from_arrays("data: x", changed).parts["train"].labels

    assert labels.dtype == np.int64
    assert labels.tolist() == arrays["y_train"].tolist()


X, Y = "x_train", "y_train"


@pytest.mark.parametrize(
    ("change", "message"),
    [
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
            lambda a: {**a, X: a[X][:, :3]},
            "train: images of shape [40, 3, 4, 3] can be [N, H, W, C] or [N, C, H, W]; pad them so "
            "that height and width are not 1, 3 or 4",
        ),
        (lambda a: {**a, X: np.zeros((40, 3, 3, 3))}, "train: images of shape [40, 3, 3, 3] can "),
        (lambda a: {**a, X: np.zeros((40, 3, 9, 1))}, "train: images of shape [40, 3, 9, 1] can "),
        (
            lambda a: {**a, X: a[X].astype(np.uint16) * 257},
            "train: images are uint16 from 0 to 65535; give uint8, or floats from 0 to 1: "
            "x / 65535, or by the largest value of your camera",
        ),
        (
            lambda a: {**a, X: a[X].astype(">u2") * 16},
            "train: images are uint16 from 0 to 4080; give uint8, or floats from 0 to 1: x / 65535",
        ),
        (lambda a: {**a, X: a[X] > 9}, "train: images are bool from 0 to 1; give uint8, or floats"),
        (lambda a: {**a, X: a[X].astype(str)}, "train: images are <U3 of shape [40, 3, 4, 4]; "),
        (lambda a: {**a, X: a[X].astype(complex)}, "train: images are complex128 of shape "),
        (lambda a: {**a, X: a[X][:, :0]}, "train: images are uint8 of shape [40, 3, 0, 4]; give "),
        (lambda a: {**a, X: a[X][:, :0] / 9}, "train: images are float64 of shape [40, 3, 0, 4]; "),
    ],
)  # fmt: skip
def test_arrays_are_refused_with_the_reason(
    load_npz: LoadNpz, arrays: Arrays, change: Any, message: str
) -> None:
    with pytest.raises(UserError) as error:
        load_npz(**change(arrays))

    assert str(error.value).startswith(f"data: data.npz: {message}")


def test_floats_finer_than_8_bits_are_rounded_and_the_user_is_told(
    load_npz: LoadNpz, arrays: Arrays
) -> None:
    exact = load_npz(**{**arrays, X: (arrays[X] / 255).astype(np.float32)})
    assert exact.notes == ()

    fine = load_npz(**{**arrays, X: np.clip((arrays[X] + 0.3) / 255, 0, 1)})

    assert fine.fingerprint == exact.fingerprint
    [note] = fine.notes
    assert note.startswith("The images are floats with more than 256 levels. They were rounded to")


def test_integers_from_0_to_1_are_doubtful(load_npz: LoadNpz, arrays: Arrays) -> None:
    [note, *_] = load_npz(**{**arrays, X: (arrays[X] > 128).astype(np.uint8)}).notes

    assert note.startswith("The images are integers from 0 to 1, where 255 is white")
