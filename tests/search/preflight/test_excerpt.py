"""An excerpt trains on a few examples, in the order that distillation expects."""

from __future__ import annotations

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
