"""Quantization-aware training: what is infeasible, what is trained, and what does not change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from paretune.spaces.base import Candidate, Context, Data, InfeasibleCandidate
from paretune.spaces.distillation.logits import Logits
from paretune.spaces.pruning.unstructured import Unstructured
from paretune.spaces.quantization.fake_quantization import FakeActivation, FakeWeight
from paretune.spaces.quantization.qat import Qat
from paretune.spaces.quantization.sensitivity import sensitivity
from paretune.spaces.rebuild import initial_candidate
from paretune.spaces.table import Option

SHAPE, CLASSES = (1, 8, 8), 3
LAYERS = ["0", "3", "7", "9"]
"""Weighted layers of the candidate, in order."""


def params(**more: Any) -> Any:
    return Qat.Params.model_validate({"epochs": 1, "batch_size": 12, "images": 24, **more})


def trained(candidate: Candidate, context: Context, **more: Any) -> Candidate:
    return Qat.apply(candidate, params(**more), context)


def rounded_layers(model: nn.Module) -> list[str]:
    return [
        name
        for name, module in model.named_modules()
        if parametrize.is_parametrized(module, "weight")
    ]


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


# -- refused -----------------------------------------------------------------------------------


def test_network_that_torch_fx_cannot_trace_is_infeasible(context: Context) -> None:
    network = initial_candidate(
        {"python": {"factory": "user_nets:branching"}}, SHAPE, CLASSES, seed=0
    )
    reason = r"qat: torch\.fx cannot trace the network: TraceError: .*control flow"
    with pytest.raises(InfeasibleCandidate, match=reason):
        trained(network, context)


def test_runtime_without_int8_is_infeasible(candidate: Candidate, context: Context) -> None:
    with pytest.raises(InfeasibleCandidate, match="qat: this runtime has no int8 to train for"):
        trained(candidate, replace(context, placement=None))


def test_candidate_is_infeasible_when_the_runtime_quantizes_nothing(
    candidate: Candidate, context: Context
) -> None:
    nowhere = replace(context, placement=lambda *args: {"groups": [], "hidden": []})
    reason = "qat: the runtime quantizes no layer of this network"
    with pytest.raises(InfeasibleCandidate, match=reason):
        trained(candidate, nowhere)


# -- trained -----------------------------------------------------------------------------------


def test_first_ranges_contain_the_images_and_training_changes_weights_and_ranges(
    candidate: Candidate, context: Context
) -> None:
    still = trained(candidate, context, optimizer={"sgd": {"lr": 1e-12}}, momentum=1e-9)
    moved = trained(candidate, context, optimizer={"sgd": {"lr": 0.1}}, momentum=0.5)
    inputs, _ = next(context.data.batches("train", 24))
    first = next(m for m in still.model.modules() if isinstance(m, FakeActivation))
    ends = (first.low.item(), first.high.item())
    assert ends == pytest.approx((inputs.min().item(), inputs.max().item()), rel=1e-5)
    assert not torch.allclose(weights(still.model), weights(moved.model), atol=1e-3)
    ranges = [
        torch.stack([m.high for m in c.model.modules() if isinstance(m, FakeActivation)])
        for c in (still, moved)
    ]
    assert not torch.allclose(*ranges, rtol=1e-3)


@pytest.mark.parametrize(
    ("per_channel", "reduce_range", "axis", "levels"),
    [(True, True, 0, 64), (False, False, None, 127)],
)
def test_weights_are_rounded_by_the_options(
    candidate: Candidate,
    context: Context,
    per_channel: bool,
    reduce_range: bool,
    axis: int | None,
    levels: int,
) -> None:
    after = trained(candidate, context, per_channel=per_channel, reduce_range=reduce_range)
    assert rounded_layers(after.model) == LAYERS
    fakes = [m for m in after.model.modules() if isinstance(m, FakeWeight)]
    assert {(fake.axis, fake.levels) for fake in fakes} == {(axis, levels)}


def test_layers_that_stay_in_float_are_not_rounded(candidate: Candidate, context: Context) -> None:
    after = trained(candidate, context, keep_float=2)
    ratios = sensitivity(candidate, context, params().per_channel, params().reduce_range)
    kept = sorted(ratios, key=lambda layer: ratios[layer])[:2]
    assert after.quantization is not None
    assert after.quantization["qat"]["kept"] == kept
    assert rounded_layers(after.model) == [layer for layer in LAYERS if layer not in kept]


def test_labels_have_no_effect_when_alpha_is_one(
    candidate: Candidate, context: Context, data: Data
) -> None:
    """With alpha = 1 the loss against the labels has weight 0."""
    taught = replace(
        context,
        teacher=initial_candidate({"simple_cnn": {"width": 0.25}}, SHAPE, CLASSES, seed=7).model,
        distillation=Option("logits", Logits.Params(alpha=1.0)),
    )
    fast = {"optimizer": {"sgd": {"lr": 0.1}}}
    with_teacher = weights(trained(candidate, taught, **fast).model)
    other_labels = replace(taught, data=Relabelled(data))
    assert torch.equal(weights(trained(candidate, other_labels, **fast).model), with_teacher)
    alone = weights(trained(candidate, context, **fast).model)
    assert not torch.allclose(alone, with_teacher, atol=1e-4)


class Relabelled:
    """The same images with other labels."""

    def __init__(self, data: Data) -> None:
        self._data = data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._data, name)

    def batches(self, *args: Any, **options: Any) -> Any:
        for images, labels in self._data.batches(*args, **options):
            yield images, (labels + 1) % CLASSES


@pytest.mark.parametrize(
    "architecture",
    [{"simple_cnn": {"width": 0.125}}, {"resnet": {"blocks": 1, "width": 8}}],
    ids=str,
)
def test_zeros_of_unstructured_pruning_stay_zero(
    architecture: dict[str, Any], context: Context
) -> None:
    """This includes weights with batch normalization folded into them."""
    network = initial_candidate(architecture, SHAPE, CLASSES, seed=0)
    sparse = Unstructured.apply(network, Unstructured.Params(ratio=0.6), context)
    after = trained(sparse, context, optimizer={"sgd": {"lr": 0.1}})
    counts = sparse.history[-1].info["zeros"]
    assert counts
    for name in counts:
        owner, _, _ = name.rpartition(".")
        before = sparse.model.get_parameter(name)
        weight = after.model.get_parameter(f"{owner}.parametrizations.weight.original")
        assert not weight[before == 0].any()
        assert weight[before != 0].any()
