"""Which layers of two networks are compared, and how their outputs are taken."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.distillation.base import FeatureParams
from paretune.spaces.distillation.hints import Hints
from paretune.spaces.distillation.layer_pairs import Taps, blocks, calls, maps, matched, same_size
from paretune.spaces.distillation.teacher_average import TeacherAverage
from paretune.spaces.pruning.structured import Structured
from paretune.spaces.rebuild import initial_candidate

IMAGE = torch.zeros(1, 1, 16, 16)


def network(architecture: dict[str, Any], shape: tuple[int, int, int] = (1, 16, 16)) -> nn.Module:
    return initial_candidate(architecture, shape, 3, seed=0).model


def tokens(width: int, depth: int) -> nn.Module:
    """Rows of the image as tokens, through blocks named blocks.0, blocks.1, ..."""
    args = {"width": width, "depth": depth}
    return network({"python": {"factory": "user_nets:Tokens", "args": args}})


class Shared(nn.Module):
    """One block three times, as ALBERT does."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Linear(16, 4)
        self.block = nn.TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=True)
        self.head = nn.Linear(4, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.embedding(images[:, 0])
        for _ in range(3):
            x = self.block(x)
        logits: torch.Tensor = self.head(x.mean(1))
        return logits


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        ({"simple_cnn": {"width": 0.125}}, [("1", 16), ("4", 8), ("5", 4)]),
        ({"resnet": {"blocks": 2, "width": 8}}, [("4", 16), ("6", 8), ("8", 4)]),
    ],
    ids=["simple_cnn", "resnet"],
)
def test_maps_are_the_last_of_each_resolution(
    architecture: dict[str, Any], expected: list[tuple[str, int]]
) -> None:
    found = maps(calls(network(architecture), IMAGE), IMAGE)
    assert [(call.name, call.shape[3]) for call in found] == expected


def test_maps_are_those_of_blocks_and_not_from_within_a_block_that_halves() -> None:
    """MobileNetV2's third block widens at the old resolution before it halves."""
    image = torch.zeros(1, 3, 64, 64)
    model = network({"torchvision": {"name": "mobilenet_v2"}}, (3, 64, 64))
    found = [call.name for call in maps(calls(model, image), image)]
    assert found == ["features.1", "features.3", "features.6", "features.13", "features"]


def test_maps_with_channels_last_are_passed_over() -> None:
    class Permuting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mix = nn.Linear(6, 6)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            mixed: torch.Tensor = self.mix(x.permute(0, 2, 3, 1))
            return mixed.permute(0, 3, 1, 2)

    model = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), Permuting())
    found = maps(calls(model, torch.zeros(1, 1, 32, 32)), torch.zeros(1, 1, 32, 32))
    assert [(call.name, call.shape) for call in found] == [("1", (1, 6, 32, 32))]


def test_blocks_are_a_transformer_s_layers() -> None:
    found = blocks(calls(tokens(8, 3), IMAGE))
    assert [call.name for call in found] == ["blocks.0", "blocks.1", "blocks.2"]
    from torchvision.models.vision_transformer import VisionTransformer

    vit = VisionTransformer(8, 4, 2, 2, 16, 32, num_classes=3)
    names = [call.name for call in blocks(calls(vit, torch.zeros(1, 3, 8, 8)))]
    assert names == ["encoder.layers.encoder_layer_0", "encoder.layers.encoder_layer_1"]


def test_calls_of_a_shared_block_are_told_apart() -> None:
    found = blocks(calls(Shared(), IMAGE))
    assert [call.name for call in found] == ["block", "block#2", "block#3"]


def test_looking_leaves_modes_hooks_and_weights_alone() -> None:
    model = network({"resnet": {"blocks": 1, "width": 8}}).train()
    model[1].eval()
    before = copy.deepcopy(model.state_dict())
    calls(model, torch.randn(4, 1, 16, 16))
    assert model.training
    assert not model[1].training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())


# -- pairs -------------------------------------------------------------------------------------


def pairs(student: nn.Module, teacher: nn.Module, **params: Any) -> list[tuple[str, str]]:
    found = matched(student, teacher, IMAGE, FeatureParams(**params))
    return [(pair.student, pair.teacher) for pair in found]


def test_pairs_have_the_same_resolution() -> None:
    student = network({"simple_cnn": {"width": 0.125}})
    teacher = network({"resnet": {"blocks": 2, "width": 8}})
    assert pairs(student, teacher) == [("1", "4"), ("4", "6"), ("5", "8")]
    assert pairs(student, teacher, layers=1) == [("5", "8")]
    shallow = network({"resnet": {"blocks": 1, "stages": 2, "width": 8}})
    assert pairs(shallow, teacher) == [("3", "4"), ("4", "6")]


def test_pairs_are_counted_from_the_end_when_no_resolution_is_common() -> None:
    odd = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 2, padding=2, stride=3))
    even = network({"simple_cnn": {"width": 0.125}})
    found = matched(odd, even, IMAGE, FeatureParams())
    assert [(p.student, p.student_shape[2:], p.teacher, p.teacher_shape[2:]) for p in found] == [
        ("1", (14, 14), "4", (8, 8)),
        ("2", (6, 6), "5", (4, 4)),
    ]


def test_pairs_of_blocks_are_spread_over_the_deeper_network() -> None:
    shallow, deep = tokens(4, 2), tokens(8, 5)
    assert pairs(shallow, deep) == [("blocks.0", "blocks.2"), ("blocks.1", "blocks.4")]
    assert pairs(deep, shallow) == [("blocks.2", "blocks.0"), ("blocks.4", "blocks.1")]
    assert pairs(tokens(4, 1), deep) == [("blocks.0", "blocks.4")]
    assert pairs(Shared(), tokens(8, 3))[-1] == ("block#3", "blocks.2")


def test_pairs_of_an_average_are_those_with_each_member() -> None:
    student = network({"simple_cnn": {"width": 0.125}})
    both = TeacherAverage([network({"resnet": {"blocks": n, "width": 8}}) for n in (1, 2)])
    assert pairs(student, both, layers=2) == [
        ("4", "members.0.4"),
        ("5", "members.0.5"),
        ("4", "members.1.6"),
        ("5", "members.1.8"),
    ]


def test_pairs_are_found_after_pruning(candidate: Candidate, context: Context) -> None:
    pruned = Structured.apply(candidate, Structured.Params(ratio=0.5, round_to=1), context)
    found = matched(
        pruned.model, candidate.model, torch.zeros(1, *candidate.shape), FeatureParams()
    )
    assert [(pair.student_shape[1], pair.teacher_shape[1]) for pair in found] == [
        (4, 8),
        (8, 16),
        (8, 16),
    ]


def test_named_layers_are_taken_as_they_are_named() -> None:
    one, other = network({"simple_cnn": {"width": 0.125}}), tokens(8, 2)
    assert pairs(one, one, student_layers=["0", "9"]) == [("0", "0"), ("9", "9")]
    assert pairs(Shared(), other, student_layers=["block#2"], teacher_layers=["blocks.0"]) == [
        ("block#2", "blocks.0")
    ]


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
def test_pairs_that_cannot_be_are_infeasible(
    student: Callable[[], nn.Module],
    teacher: Callable[[], nn.Module],
    params: dict[str, Any],
    reason: str,
) -> None:
    with pytest.raises(InfeasibleCandidate, match=reason):
        matched(student(), teacher(), IMAGE, FeatureParams(**params))


# -- outputs -----------------------------------------------------------------------------------


def test_taps_give_the_outputs_of_the_last_pass_and_leave_no_hook() -> None:
    model = Shared().eval()
    before = list(model.state_dict())
    taps = Taps(model, ["block#3", "embedding", "block"])
    first, second = torch.randn(2, 2, 1, 16, 16)
    model(first)
    taps.take()
    logits = model(second)
    last, embedded, once = taps.take()
    assert torch.equal(embedded, model.embedding(second[:, 0]))
    assert torch.equal(once, model.block(embedded))
    assert torch.equal(model.head(last.mean(1)), logits)
    assert list(model.state_dict()) == before
    taps.close()
    assert not any(m._forward_hooks for m in model.modules())


def test_layer_that_is_not_run_in_training_is_infeasible() -> None:
    class Lazy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.extra = nn.Conv2d(1, 1, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if self.training else self.extra(x)

    model = Lazy()
    taps = Taps(model, [call.name for call in calls(model, IMAGE)])
    model.train()(IMAGE)
    with pytest.raises(InfeasibleCandidate, match="the layer extra is not run when training"):
        taps.take()


def test_sizes_are_made_equal_on_each_axis() -> None:
    one, other = same_size(torch.rand(2, 3, 4, 8), torch.rand(2, 5, 6, 2))
    assert (one.shape, other.shape) == ((2, 3, 4, 2), (2, 5, 4, 2))
    one, other = same_size(torch.rand(2, 9, 3), torch.rand(2, 5, 7))
    assert (one.shape, other.shape) == ((2, 5, 3), (2, 5, 7))


def test_adapters_are_there_only_where_widths_differ() -> None:
    student = network({"simple_cnn": {"width": 0.25}})
    teacher = network({"resnet": {"blocks": 1, "width": 16}})
    bridge = Hints.prepare(Hints.Params(), student, teacher, IMAGE)
    shapes = [[tuple(p.shape) for p in adapter.parameters()] for adapter in bridge.adapters]
    assert shapes == [[], [], [(64, 32, 1, 1), (64,)]]
    bridge = Hints.prepare(Hints.Params(), tokens(4, 2), tokens(8, 2), IMAGE)
    assert [type(adapter) for adapter in bridge.adapters] == [nn.Linear, nn.Linear]
