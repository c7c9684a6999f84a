"""An excerpt trains on a few examples, in the order that distillation expects."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from paretune.search.data import load_data
from paretune.search.data.dataset import Dataset
from paretune.search.preflight.excerpt import Excerpt, Pool


@pytest.fixture(scope="module", name="data")
def data_fixture(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return load_data("digits", {}, tmp_path_factory.mktemp("data"))


def test_excerpt_holds_the_batches_of_its_pool(data: Dataset) -> None:
    pool = Pool(data, 32, 3)
    excerpt = Excerpt(data, pool, validation=50)
    assert excerpt.size("train") == 96
    assert excerpt.size("validation") == 50
    assert excerpt.size("test") == data.size("test")
    assert (excerpt.classes, excerpt.shape) == (data.classes, data.shape)
    assert excerpt.fingerprint != data.fingerprint
    assert pool.seconds >= 0


def test_batches_follow_the_order_of_their_seed(data: Dataset) -> None:
    pool = Pool(data, 16, 2)
    excerpt = Excerpt(data, pool)
    for seed in (None, 5):
        batches = list(excerpt.batches("train", 12, seed=seed))
        assert [len(labels) for _, labels in batches] == [12, 12, 8]
        rows = excerpt.order("train", seed)
        assert torch.equal(torch.cat([labels for _, labels in batches]), pool.targets[rows])
        assert torch.equal(torch.cat([inputs for inputs, _ in batches]), pool.inputs[rows])


def test_validation_part_is_cut_inside_a_batch(data: Dataset) -> None:
    pool = Pool(data, 16, 1)
    excerpt = Excerpt(data, pool, validation=50)
    arrays = list(excerpt.arrays("validation", 32))
    assert [len(labels) for _, labels in arrays] == [32, 18]
    whole = next(iter(data.arrays("validation", 50)))
    assert (arrays[0][1] == whole[1][:32]).all()
    assert sum(len(labels) for _, labels in excerpt.examples("validation", 64)) == 50


def test_batch_larger_than_the_training_part_is_the_whole_part(data: Dataset) -> None:
    pool = Pool(data, 100_000, 8)
    assert pool.count == data.size("train")
    assert pool.seconds == 0.0


class Boxes:
    """Images with boxes, read by row; or batches of a user's loader of 5."""

    fingerprint = "boxes"

    def __init__(self, loader: bool) -> None:
        self.loader = loader
        self.inputs = torch.arange(20).float()[:, None]
        self.targets = [{"boxes": torch.full((i % 3, 4), float(i))} for i in range(20)]

    def size(self, part: str) -> int:
        return 20

    def steps(self, part: str, batch_size: int) -> int:
        return 4

    def order(self, part: str, seed: int | None) -> torch.Tensor | None:
        return None if self.loader else torch.arange(20)

    def batches(self, part: str, batch_size: int, **options: Any) -> Any:
        size = 5 if self.loader else batch_size
        for start in range(0, 20, size):
            rows = slice(start, start + size)
            yield self.inputs[rows], self.targets[rows]

    arrays = batches


@pytest.mark.parametrize("loader", [False, True], ids=["by row", "by loader"])
def test_boxes_stay_with_their_images(loader: bool) -> None:
    data: Any = Boxes(loader)
    excerpt = Excerpt(data, Pool(data, 5, 2), validation=7)
    assert excerpt.size("train") == 10
    batches = list(excerpt.batches("train", 4, seed=3))
    sizes = [5, 5] if loader else [4, 4, 2]
    assert [len(inputs) for inputs, _ in batches] == sizes
    assert excerpt.steps("train", 4) == len(sizes)
    seen = {}
    for inputs, targets in batches:
        for image, target in zip(inputs, targets, strict=True):
            seen[int(image)] = target["boxes"]
    assert sorted(seen) == list(range(10))
    for image, boxes in seen.items():
        assert torch.equal(boxes, data.targets[image]["boxes"])


def test_validation_part_of_a_loader_is_not_cut() -> None:
    data: Any = Boxes(loader=True)
    excerpt = Excerpt(data, Pool(data, 5, 2), validation=7)
    assert excerpt.size("validation") == 20
    assert excerpt.order("train", 0) is None
    assert sum(len(inputs) for inputs, _ in excerpt.arrays("validation", 4)) == 20
    rows: Any = Boxes(loader=False)
    cut = Excerpt(rows, Pool(rows, 5, 2), validation=7)
    pairs = list(cut.batches("validation", 5))
    assert [(len(inputs), len(targets)) for inputs, targets in pairs] == [(5, 5), (2, 2)]
