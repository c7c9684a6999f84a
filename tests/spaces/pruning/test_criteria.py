"""Importance of channels, by each criterion's formula on networks small enough to write it out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from paretune.spaces.base import Context, Data
from paretune.spaces.pruning.criteria import scores
from paretune.spaces.pruning.graph import channel_layers, trace, unfrozen
from paretune.spaces.pruning.heads import head_layers
from paretune.spaces.pruning.layer import PrunableLayer
from paretune.spaces.pruning.training_loss import gradients

SHAPE = (1, 8, 8)


def network() -> nn.Sequential:
    """Four channels, normalized, pooled to 2x2 and read by a linear layer."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 3),
    )
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([0.5, -2.0, 1.0, 0.1]))
        model[1].bias.fill_(0.3)
    return model.eval()


def layer_of(model: nn.Module) -> PrunableLayer:
    with unfrozen(model):
        [layer] = channel_layers(trace(model, SHAPE), [])
    return layer


def slices(model: nn.Sequential) -> list[torch.Tensor]:
    """[4, K] of the convolution, of the normalization, and of what the linear layer reads."""
    return [
        model[0].weight.detach().reshape(4, 9),
        model[1].weight.detach().reshape(4, 1),
        model[5].weight.detach().reshape(3, 4, 4).transpose(0, 1).reshape(4, 12),
    ]


def by_mean(parts: list[torch.Tensor]) -> torch.Tensor:
    total = torch.stack(parts).mean(0)
    return total / total.mean()


@pytest.mark.parametrize(("criterion", "power"), [("magnitude", 2), ("l1", 1)])
def test_magnitude_is_the_mean_of_powers_over_the_weights(criterion: Any, power: int) -> None:
    model = network()
    expected = by_mean([part.abs().pow(power).sum(1) for part in slices(model)])
    assert torch.allclose(scores(layer_of(model), criterion, {}), expected)  # type: ignore[arg-type]


def test_fpgm_is_the_sum_of_distances_to_the_other_filters() -> None:
    model = network()
    filters = slices(model)[0]
    distances = torch.stack([(filters - one).pow(2).sum(1).sqrt().sum() for one in filters])
    found = scores(layer_of(model), "fpgm", {})
    assert torch.allclose(found, distances / distances.mean(), atol=1e-6)  # type: ignore[arg-type]


def test_fpgm_tells_a_filter_from_its_opposite() -> None:
    """A distance between squared weights would not."""
    model = network()
    with torch.no_grad():
        model[0].weight[0] = 1.0
        model[0].weight[1] = 1.0
        model[0].weight[2] = 1.0
        model[0].weight[3] = -1.0
    found = scores(layer_of(model), "fpgm", {})
    assert found is not None
    assert found.argmax() == 3
    assert found[3] == pytest.approx(3 * float(found[0]))


def test_batch_norm_scale_is_its_absolute_value() -> None:
    found = scores(layer_of(network()), "bn_scale", {})
    assert torch.allclose(found, torch.tensor([0.5, 2.0, 1.0, 0.1]) / 0.9)  # type: ignore[arg-type]


def test_lamp_is_a_score_over_the_sum_of_those_not_below_it() -> None:
    model = network()
    total = torch.stack([part.pow(2).sum(1) for part in slices(model)]).mean(0)
    expected = torch.stack([one / total[total >= one].sum() for one in total])
    found = scores(layer_of(model), "lamp", {})
    assert torch.allclose(found, expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("criterion", ["taylor", "hessian"])
def test_gradient_criteria_are_their_formulas(criterion: Any, data: Data) -> None:
    """|w g| with the mean gradient; w^2 g^2 / 2 with the mean of each example's own square."""
    model = network()
    layer = layer_of(model)
    with unfrozen(model):
        known = gradients(model, Context(data), 10, squared=criterion == "hessian")
    images, labels = next(iter(data.batches("train", 10, seed=0)))
    each = []
    for image, label in zip(images, labels, strict=True):
        model.zero_grad()
        functional.cross_entropy(model(image[None]), label[None]).backward()
        each.append(
            [
                model[0].weight.grad.reshape(4, 9).clone(),
                model[1].weight.grad.reshape(4, 1).clone(),
                model[5].weight.grad.reshape(3, 4, 4).transpose(0, 1).reshape(4, 12).clone(),
            ]
        )
    parts = []
    for number, weights in enumerate(slices(model)):
        own = torch.stack([gradient[number] for gradient in each])
        if criterion == "taylor":
            parts.append((weights * own.mean(0)).abs().sum(1))
        else:
            parts.append((weights.pow(2) * own.pow(2).mean(0)).sum(1) / 2)
    assert torch.allclose(scores(layer, criterion, known), by_mean(parts), rtol=1e-4)  # type: ignore[arg-type]


def test_gradients_leave_the_model_without_any(data: Data) -> None:
    model = network()
    model[0].weight.requires_grad_(False)
    with unfrozen(model):
        known = gradients(model, Context(data), 5, squared=False)
    assert known["0.weight"].abs().sum() > 0
    assert all(p.grad is None for p in model.parameters())
    assert not model[0].weight.requires_grad
    assert model[5].weight.requires_grad


def test_a_head_s_magnitude_is_that_of_its_projections() -> None:
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(6, 3, batch_first=True)
    [layer] = head_layers(nn.ModuleDict({"it": attention}), [])
    packed = attention.in_proj_weight.detach().reshape(3, 3, 2, 6)  # of q, k, v: heads
    parts = [packed[number].pow(2).sum((1, 2)) for number in range(3)]
    parts.append(attention.out_proj.weight.detach().reshape(6, 3, 2).pow(2).sum((0, 2)))
    assert torch.allclose(scores(layer, "magnitude", {}), by_mean(parts))  # type: ignore[arg-type]


def test_criterion_without_a_say_gives_none() -> None:
    attention = nn.MultiheadAttention(6, 3)
    [layer] = head_layers(nn.ModuleDict({"it": attention}), [])
    assert scores(layer, "bn_scale", {}) is None
