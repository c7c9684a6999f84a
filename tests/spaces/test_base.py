"""Candidate, Step, and the toy data that implements Data."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from paretune.spaces.base import Candidate, Data, EpochEnd, Step


def test_with_step_adds_a_step_and_keeps_the_rest() -> None:
    first = Candidate(
        torch.nn.Identity(), (1, 2, 3), 4, (Step("a", {}),), quantization={"dynamic": {}}
    )
    model = torch.nn.ReLU()
    second = first.with_step(model, Step("b", {"x": 1}, {"y": 2}))
    assert second == dataclasses.replace(
        first, model=model, history=(Step("a", {}), Step("b", {"x": 1}, {"y": 2}))
    )
    assert first.history == (Step("a", {}),)


@pytest.mark.parametrize(
    "value",
    [
        Step("a", {}),
        Candidate(torch.nn.Identity(), (1, 1, 1), 2),
        EpochEnd("s", 1, 1, 0.5, None, 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_results_are_frozen(value: object) -> None:
    field = dataclasses.fields(value)[0].name  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, field, None)


def test_steps_do_not_share_their_info() -> None:
    assert Step("a", {}).info is not Step("a", {}).info


def test_toy_data_fulfills_the_protocol(data: Data) -> None:
    """All other tests of spaces depend on it."""
    images = torch.cat([x for x, _ in data.batches("train", 7)])
    shuffled = torch.cat([x for x, _ in data.batches("train", 7, seed=3)])
    assert images.shape == (data.size("train"), *data.shape)
    assert torch.equal(images[data.order("train", 3)], shuffled)
    assert not torch.equal(images, shuffled)
    assert len(data.black()) == data.shape[0]
