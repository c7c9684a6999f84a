"""A candidate from nothing, and its shape from its history."""

from __future__ import annotations

import pytest
import torch

from paretune.spaces.base import Candidate, Context, InfeasibleCandidate, Step
from paretune.spaces.pruning.structured import Structured
from paretune.spaces.quantization.dynamic import Dynamic
from paretune.spaces.rebuild import initial_candidate, rebuild
from paretune.spaces.training.loop import train
from paretune.spaces.training.recipe import Recipe

SHAPE, CLASSES = (1, 8, 8), 3


def test_start_gives_a_float_candidate_with_a_history_of_one_step() -> None:
    architecture = {"simple_cnn": {"width": 0.125}}
    candidate = initial_candidate(architecture, SHAPE, CLASSES, seed=4)
    step = Step("architecture", {"architecture": architecture, "seed": 4})
    assert candidate.history == (step,)
    assert (candidate.shape, candidate.classes, candidate.quantization) == (SHAPE, CLASSES, None)
    assert not candidate.model.training


def test_start_says_why_there_is_no_such_candidate() -> None:
    with pytest.raises(InfeasibleCandidate, match="needs 4x4 pixels"):
        initial_candidate({"simple_cnn": {}}, (1, 2, 2), CLASSES, seed=0)


def test_rebuild_of_a_start_is_the_same_network() -> None:
    candidate = initial_candidate({"resnet": {"blocks": 1, "width": 8}}, SHAPE, CLASSES, seed=4)
    fresh = rebuild(candidate.history, SHAPE, CLASSES)
    weights = candidate.model.state_dict()
    assert all(torch.equal(t, weights[name]) for name, t in fresh.state_dict().items())


def test_rebuild_follows_pruning_and_passes_over_training_and_quantization(
    candidate: Candidate, context: Context
) -> None:
    recipe = Recipe(epochs=1)
    steps = train(candidate, recipe, context, stage="pretrain")
    steps = Structured.apply(steps, Structured.Params(ratio=0.5, round_to=1), context)
    steps = train(steps, recipe, context, stage="finetune")
    steps = Dynamic.apply(steps, Dynamic.Params(), context)
    names = [step.technique for step in steps.history]
    assert names == ["architecture", "train", "structured", "train", "dynamic"]
    fresh = rebuild(steps.history, SHAPE, CLASSES)
    fresh.load_state_dict(steps.model.state_dict(), strict=True)
    images = torch.rand(4, *SHAPE)
    assert torch.equal(fresh(images), steps.model(images))
