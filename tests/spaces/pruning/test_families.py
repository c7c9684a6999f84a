"""Structured pruning removes channels of every family, and the smaller network can be rebuilt."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from paretune.spaces.base import Context
from paretune.spaces.pruning.structured import Structured
from paretune.spaces.rebuild import initial_candidate, rebuild
from paretune.spaces.twin import accepted

SHAPE, CLASSES = (3, 32, 32), 5

PARAMS = Structured.Params(ratio=0.5, round_to=4)

FAMILIES: list[dict[str, Any]] = [
    {"resnet": {"blocks": [1, 2], "block": "bottleneck", "width": 16, "shortcut": "padding"}},
    {"resnet": {"blocks": 1, "stem": "standard", "resolution": 24}},
    {"mobilenet_v1": {"width": 0.25}},
    {"mobilenet_v2": {"width": 0.25}},
    {"mobilenet_v3": {"width": 0.5}},
    {"efficientnet": {"width": 0.25, "depth": 0.25}},
    {"squeezenet": {"width": 0.25}},
    {"regnet": {"depth": 6, "w_0": 16, "w_a": 8.0, "w_m": 2.0}},
    {"vit": {"depth": 2, "width": 48, "heads": 6}},
    {"staged": {"stages": [{"width": 16, "se": True}, {"width": 32, "kernel": 5}]}},
]


@pytest.mark.parametrize("architecture", FAMILIES, ids=str)
def test_family_loses_channels_and_is_rebuilt(
    architecture: dict[str, Any], context: Context
) -> None:
    before = initial_candidate(architecture, SHAPE, CLASSES, seed=0)
    after = Structured.apply(before, PARAMS, context)
    sizes = [sum(p.numel() for p in c.model.parameters()) for c in (before, after)]
    assert sizes[1] < 0.75 * sizes[0]
    fresh = rebuild(after.history, SHAPE, CLASSES)
    fresh.load_state_dict(after.model.state_dict())
    images = torch.rand(2, *SHAPE)
    with torch.inference_mode():
        assert torch.equal(fresh.eval()(images), after.model(images))


@pytest.mark.slow
def test_shuffled_channels_stay_and_those_before_them_are_pruned(context: Context) -> None:
    before = initial_candidate({"shufflenet_v2": {"width": 0.5}}, SHAPE, CLASSES, seed=0)
    after = accepted(before, Structured.apply(before, PARAMS, context), "structured")
    info = after.history[-1].info
    assert info["channels"]["stage2.0.branch2.0"] == [24, 12]
    assert info["kept_whole"]["stage2.0.branch1.2"].startswith("`forward` reshapes its channels")
