"""What image and text data share: the order of passes, and passes as arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from paretune.search.data.image_dataset import ImageDataset

LoadNpz = Callable[..., ImageDataset]
Arrays = dict[str, np.ndarray]


def test_order_is_a_permutation_that_depends_on_the_seed(load_npz: LoadNpz, arrays: Arrays) -> None:
    data = load_npz(**arrays)

    assert data.order("train", None).tolist() == list(range(24))
    assert sorted(data.order("train", 3).tolist()) == list(range(24))
    assert data.order("train", 3).tolist() == data.order("train", 3).tolist()
    assert data.order("train", 3).tolist() != data.order("train", 4).tolist()


def test_order_draws_nothing_from_the_global_generator(load_npz: LoadNpz, arrays: Arrays) -> None:
    data = load_npz(**arrays)
    torch.manual_seed(1)
    expected = torch.rand(3)

    torch.manual_seed(1)
    list(data.batches("train", 8, seed=4))
    list(data.calibration(4, 2))

    assert torch.equal(torch.rand(3), expected)


def test_arrays_equal_the_batches(load_npz: LoadNpz, arrays: Arrays) -> None:
    data = load_npz(**arrays)

    for (a, b), (c, d) in zip(data.arrays("test", 3), data.batches("test", 3), strict=True):
        assert (a == c.numpy()).all()
        assert b.tolist() == d.tolist()
