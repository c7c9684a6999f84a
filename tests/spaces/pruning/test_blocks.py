"""Residual blocks: which modules of a network are blocks, and which can be removed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from paretune.spaces.base import Candidate
from paretune.spaces.pruning.blocks import find_blocks
from paretune.spaces.rebuild import initial_candidate

SHAPE, CLASSES = (1, 8, 8), 3


def residual(**params: Any) -> Candidate:
    """Returns a network: blocks 3 to 5 are one stage, 6 to 8 the next; 6 changes the shape."""
    architecture = {"resnet": {"stages": 2, "width": 8, **params}}
    return initial_candidate(architecture, SHAPE, CLASSES, seed=0)


@pytest.mark.parametrize("shortcut", ["projection", "padding"])
def test_blocks_of_a_resnet_are_removable_except_where_a_stage_begins(shortcut: str) -> None:
    recognized = find_blocks(residual(shortcut=shortcut).model, SHAPE)
    assert [(block.name, block.removable) for block in recognized] == [
        (str(index), index != 6) for index in range(3, 9)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "blocks", "removable"),
    [("resnet18", 8, 5), ("mobilenet_v2", 17, 10), ("convnext_tiny", 18, 18)],
)
def test_blocks_of_torchvision_networks_are_recognized(
    name: str, blocks: int, removable: int
) -> None:
    """mobilenet_v2: ten of 17 inverted residuals have use_res_connect; resnet18: 8 - 3 halvings."""
    candidate = initial_candidate({"torchvision": name}, (3, 64, 64), CLASSES, seed=0)
    recognized = find_blocks(candidate.model, (3, 64, 64))
    assert (len(recognized), sum(block.removable for block in recognized)) == (blocks, removable)


def test_gate_is_not_a_block() -> None:
    class Gate(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weigh = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * self.weigh(x).sigmoid()

    model = nn.Sequential(nn.Flatten(), Gate(), nn.Linear(4, 4))
    assert find_blocks(model, (1, 2, 2)) == []
