"""The layers of a student and a teacher that are compared."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.distillation.base import FeatureParams
from paretune.spaces.distillation.layer_calls import OutputTaps, module_calls
from paretune.spaces.distillation.layer_pairs import block_outputs, last_maps, match_layers
from paretune.spaces.distillation.teacher_average import TeacherAverage
from paretune.spaces.pruning.structured import Structured
from paretune.spaces.rebuild import initial_candidate

IMAGE = torch.zeros(1, 1, 16, 16)


def network(architecture: dict[str, Any], shape: tuple[int, int, int] = (1, 16, 16)) -> nn.Module:
    return initial_candidate(architecture, shape, 3, seed=0).model


def tokens(width: int, depth: int) -> nn.Module:
    """Returns a network that passes image rows as tokens through blocks.0, blocks.1, ..."""
    args = {"width": width, "depth": depth}
    return network({"python": {"factory": "user_nets:Tokens", "args": args}})


def shared_block() -> nn.Module:
    """Returns one transformer block that the network applies three times."""
    return network({"python": {"factory": "user_nets:SharedBlock"}})


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        ({"simple_cnn": {"width": 0.125}}, [("1", 16), ("4", 8), ("5", 4)]),
        ({"resnet": {"blocks": 2, "width": 8}}, [("4", 16), ("6", 8), ("8", 4)]),
    ],
    ids=["simple_cnn", "resnet"],
)
def test_last_maps_are_the_last_of_each_resolution(
    architecture: dict[str, Any], expected: list[tuple[str, int]]
) -> None:
    maps = last_maps(module_calls(network(architecture), IMAGE), IMAGE)
    assert [(call.name, call.shape[3]) for call in maps] == expected


def test_last_maps_are_outputs_of_whole_blocks_when_a_block_halves() -> None:
    """MobileNetV2's third block widens at the old resolution before it halves."""
    image = torch.zeros(1, 3, 64, 64)
    model = network({"torchvision": {"name": "mobilenet_v2"}}, (3, 64, 64))
    names = [call.name for call in last_maps(module_calls(model, image), image)]
    assert names == ["features.1", "features.3", "features.6", "features.13", "features"]


def test_last_maps_skip_outputs_with_channels_last() -> None:
    class Permuting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mix = nn.Linear(6, 6)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            mixed: torch.Tensor = self.mix(x.permute(0, 2, 3, 1))
            return mixed.permute(0, 3, 1, 2)

    model = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), Permuting())
    image = torch.zeros(1, 1, 32, 32)
    maps = last_maps(module_calls(model, image), image)
    assert [(call.name, call.shape) for call in maps] == [("1", (1, 6, 32, 32))]


def test_block_outputs_come_from_the_layers_of_a_transformer() -> None:
    outputs = block_outputs(module_calls(tokens(8, 3), IMAGE))
    assert [call.name for call in outputs] == ["blocks.0", "blocks.1", "blocks.2"]
    from torchvision.models.vision_transformer import VisionTransformer

    vit = VisionTransformer(8, 4, 2, 2, 16, 32, num_classes=3)
    names = [call.name for call in block_outputs(module_calls(vit, torch.zeros(1, 3, 8, 8)))]
    assert names == ["encoder.layers.encoder_layer_0", "encoder.layers.encoder_layer_1"]


def test_block_outputs_of_a_shared_block_have_numbered_names() -> None:
    outputs = block_outputs(module_calls(shared_block(), IMAGE))
    assert [call.name for call in outputs] == ["block", "block#2", "block#3"]


# -- pairs -------------------------------------------------------------------------------------


def pairs(student: nn.Module, teacher: nn.Module, **params: Any) -> list[tuple[str, str]]:
    layers = match_layers(student, teacher, IMAGE, FeatureParams(**params))
    return [(pair.student, pair.teacher) for pair in layers]


def test_pairs_have_the_same_resolution() -> None:
    student = network({"simple_cnn": {"width": 0.125}})
    teacher = network({"resnet": {"blocks": 2, "width": 8}})
    assert pairs(student, teacher) == [("1", "4"), ("4", "6"), ("5", "8")]
    assert pairs(student, teacher, layers=1) == [("5", "8")]
    shallow = network({"resnet": {"blocks": 1, "stages": 2, "width": 8}})
    assert pairs(shallow, teacher) == [("3", "4"), ("4", "6")]


def test_pairs_count_from_the_end_when_no_resolution_is_common() -> None:
    odd = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 2, padding=2, stride=3))
    even = network({"simple_cnn": {"width": 0.125}})
    layers = match_layers(odd, even, IMAGE, FeatureParams())
    assert [(p.student, p.student_shape[2:], p.teacher, p.teacher_shape[2:]) for p in layers] == [
        ("1", (14, 14), "4", (8, 8)),
        ("2", (6, 6), "5", (4, 4)),
    ]


def test_pairs_of_blocks_spread_evenly_over_the_deeper_network() -> None:
    shallow, deep = tokens(4, 2), tokens(8, 5)
    assert pairs(shallow, deep) == [("blocks.0", "blocks.2"), ("blocks.1", "blocks.4")]
    assert pairs(deep, shallow) == [("blocks.2", "blocks.0"), ("blocks.4", "blocks.1")]
    assert pairs(tokens(4, 1), deep) == [("blocks.0", "blocks.4")]
    assert pairs(shared_block(), tokens(8, 3))[-1] == ("block#3", "blocks.2")


def test_pairs_of_an_average_contain_those_of_each_member() -> None:
    student = network({"simple_cnn": {"width": 0.125}})
    both = TeacherAverage([network({"resnet": {"blocks": n, "width": 8}}) for n in (1, 2)])
    assert pairs(student, both, layers=2) == [
        ("4", "members.0.4"),
        ("5", "members.0.5"),
        ("4", "members.1.6"),
        ("5", "members.1.8"),
    ]


def test_pairs_match_a_pruned_network_with_the_unpruned_one(
    candidate: Candidate, context: Context
) -> None:
    pruned = Structured.apply(candidate, Structured.Params(ratio=0.5, round_to=1), context)
    layers = match_layers(
        pruned.model, candidate.model, torch.zeros(1, *candidate.shape), FeatureParams()
    )
    assert [(pair.student_shape[1], pair.teacher_shape[1]) for pair in layers] == [
        (4, 8),
        (8, 16),
        (8, 16),
    ]


def test_pairs_are_the_named_layers_when_names_are_set() -> None:
    student = network({"simple_cnn": {"width": 0.125}})
    assert pairs(student, student, student_layers=["0", "9"]) == [("0", "0"), ("9", "9")]
    names = {"student_layers": ["block#2"], "teacher_layers": ["blocks.0"]}
    assert pairs(shared_block(), tokens(8, 2), **names) == [("block#2", "blocks.0")]


SMALL = partial(tokens, 4, 1)


@pytest.mark.parametrize(
    ("student", "teacher", "params", "reason"),
    [
        (SMALL, SMALL, {"student_layers": ["blocks.9"]}, r'no layer "blocks\.9".*di'),
        (SMALL, nn.Flatten, {"student_layers": ["blocks.0"]}, r"the teacher has no layer"),
        (nn.Flatten, SMALL, {}, "the student has no feature maps to compare"),
        (SMALL, nn.Flatten, {}, "the teacher has no feature maps to compare"),
        (
            lambda: nn.Sequential(nn.Conv2d(1, 2, 3)),
            SMALL,
            {},
            r"feature maps \[B, C, H, W\], the teacher tokens \[B, T, D\]",
        ),
        (
            SMALL,
            SMALL,
            {"student_layers": ["blocks.0"], "teacher_layers": ["head"]},
            r"blocks\.0 of the student gives \[1, 16, 4\] and head of the teacher \[1, 3\]",
        ),
        (
            lambda: nn.Sequential(nn.Unflatten(3, (2, 2, 4)), nn.Flatten()),
            SMALL,
            {"student_layers": ["0"], "teacher_layers": ["head"]},
            r"0 of the student gives \[1, 1, 16, 2, 2, 4\], not",
        ),
    ],
)
def test_match_layers_is_infeasible_when_layers_cannot_be_compared(
    student: Callable[[], nn.Module],
    teacher: Callable[[], nn.Module],
    params: dict[str, Any],
    reason: str,
) -> None:
    with pytest.raises(InfeasibleCandidate, match=reason):
        match_layers(student(), teacher(), IMAGE, FeatureParams(**params))


def series(width: int) -> nn.Module:
    first, second = nn.Conv1d(2, width, 3, padding=1), nn.Conv1d(width, 2 * width, 3, padding=1)
    pool = nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten())
    return nn.Sequential(first, nn.ReLU(), nn.MaxPool1d(2), second, nn.ReLU(), pool)


def test_series_are_compared_at_the_last_map_of_each_length() -> None:
    """Channels come first, [B, C, T]; as tokens [B, T, D] they would be taken for positions."""
    example = torch.randn(1, 2, 16)
    matched = match_layers(series(4), series(6), example, FeatureParams())
    assert [(pair.student, pair.student_shape, pair.teacher_shape) for pair in matched] == [
        ("1", (1, 4, 1, 16), (1, 6, 1, 16)),
        ("4", (1, 8, 1, 8), (1, 12, 1, 8)),
    ]
    taps = OutputTaps(series(4), ["1"])
    assert taps._maps


def test_networks_of_linear_layers_are_compared_at_their_hidden_layers() -> None:
    def mlp(*sizes: int) -> nn.Module:
        return nn.Sequential(*(nn.Linear(a, b) for a, b in itertools.pairwise(sizes)))

    matched = match_layers(mlp(5, 8, 3), mlp(5, 8, 16, 3), torch.randn(1, 5), FeatureParams())
    assert [(pair.student, pair.teacher) for pair in matched] == [("0", "1")]


def test_several_inputs_are_passed_by_name() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(7, 2)

        def forward(self, image: torch.Tensor, extra: torch.Tensor) -> torch.Tensor:
            features = self.conv(image).mean((2, 3))
            answer: torch.Tensor = self.head(torch.cat([features, extra], 1))
            return answer

    example = {"image": torch.randn(1, 1, 8, 8), "extra": torch.randn(1, 3)}
    [pair] = match_layers(Two(), Two(), example, FeatureParams())
    assert (pair.student, pair.student_shape) == ("conv", (1, 4, 8, 8))
