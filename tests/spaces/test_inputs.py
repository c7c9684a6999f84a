"""Images and texts: examples of a shape, and the families that take each kind."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from paretune import inputs
from paretune.spaces.architecture import ARCHITECTURES, refusal, takes
from paretune.spaces.architecture.network import build_network
from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.training.loop import train
from paretune.spaces.training.recipe import Recipe


def test_example_is_an_image_in_float_or_a_text_of_tokens() -> None:
    image = inputs.example((3, 4, 6), 2)
    assert (image.shape, image.dtype) == ((2, 3, 4, 6), torch.float32)
    text = inputs.example(inputs.Tokens(7, 5), 2)
    assert (text.shape, text.dtype) == ((2, 7), torch.int64)
    assert (text != inputs.PADDING).all() and (text < 5).all()
    assert len(inputs.example(inputs.Tokens(7, 5))) == 1


def test_kind_and_text_follow_from_a_shape() -> None:
    assert (inputs.kind_of((3, 4, 6)), inputs.kind_of(inputs.Tokens(7, 5))) == ("images", "text")
    assert inputs.shape_text((1, 4, 6)) == "4x6 pixels and 1 channel"
    assert inputs.shape_text(inputs.Tokens(7, 5)) == "7 tokens of 5"


def test_only_the_family_python_takes_images_and_text() -> None:
    both = [n for n in ARCHITECTURES.names if takes(n, "images") and takes(n, "text")]
    assert both == ["python"]
    assert refusal("resnet", "text").startswith(
        "resnet takes images, but the data is text; architectures for text: "
    )


def test_image_network_is_infeasible_for_text() -> None:
    with pytest.raises(InfeasibleCandidate, match=r"resnet takes images, but the data is text"):
        build_network({"resnet": {}}, inputs.Tokens(16, 100), 3, seed=0)


def test_user_s_network_for_images_is_infeasible_for_text() -> None:
    with pytest.raises(InfeasibleCandidate, match=r"does not take text of 16 tokens of 100: "):
        build_network(
            {"python": {"factory": "user_nets:Silent"}}, inputs.Tokens(16, 100), 3, seed=0
        )


def test_augmentation_of_text_is_infeasible(candidate: Candidate, context: Context) -> None:
    recipe = Recipe.model_validate({"epochs": 1, "augment": {"flip": True}})
    with pytest.raises(
        InfeasibleCandidate, match=r"augment\.flip changes images, but the data is text"
    ):
        train(replace(candidate, shape=inputs.Tokens(16, 100)), recipe, context, stage="finetune")
