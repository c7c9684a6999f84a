"""The initial candidate, and its shape rebuilt from its history."""

from __future__ import annotations

import pytest
import torch

from paretune.spaces.base import Candidate, Context, InfeasibleCandidate, Step
from paretune.spaces.pruning.structured import Structured
from paretune.spaces.quantization.dynamic import Dynamic
from paretune.spaces.rebuild import initial_candidate, rebuild
from paretune.spaces.training.loop import train
from paretune.spaces.training.recipe import Recipe
from paretune.task import Outputs

SHAPE, CLASSES = (1, 8, 8), 3


def test_initial_candidate_is_float_with_a_history_of_one_step() -> None:
    architecture = {"simple_cnn": {"width": 0.125}}
    candidate = initial_candidate(architecture, SHAPE, CLASSES, seed=4)
    step = Step("architecture", {"architecture": architecture, "seed": 4})
    assert candidate.history == (step,)
    assert (candidate.shape, candidate.outputs) == (SHAPE, Outputs(CLASSES))
    assert candidate.quantization is None
    assert not candidate.model.training


def test_initial_candidate_is_infeasible_with_a_reason_when_the_image_is_too_small() -> None:
    with pytest.raises(InfeasibleCandidate, match="needs 4x4 pixels"):
        initial_candidate({"simple_cnn": {}}, (1, 2, 2), CLASSES, seed=0)


def test_rebuild_of_an_initial_candidate_gives_the_same_network() -> None:
    candidate = initial_candidate({"resnet": {"blocks": 1, "width": 8}}, SHAPE, CLASSES, seed=4)
    fresh = rebuild(candidate.history, SHAPE, CLASSES)
    weights = candidate.model.state_dict()
    assert all(torch.equal(t, weights[name]) for name, t in fresh.state_dict().items())


def test_rebuild_applies_pruning_and_skips_training_and_quantization(
    candidate: Candidate, context: Context
) -> None:
    recipe = Recipe(epochs=1)
    trained = train(candidate, recipe, context, stage="pretrain")
    pruned = Structured.apply(trained, Structured.Params(ratio=0.5, round_to=1), context)
    finetuned = train(pruned, recipe, context, stage="finetune")
    quantized = Dynamic.apply(finetuned, Dynamic.Params(), context)
    names = [step.technique for step in quantized.history]
    assert names == ["architecture", "train", "structured", "train", "dynamic"]
    fresh = rebuild(quantized.history, SHAPE, CLASSES)
    fresh.load_state_dict(quantized.model.state_dict(), strict=True)
    images = torch.rand(4, *SHAPE)
    assert torch.equal(fresh(images), quantized.model(images))
