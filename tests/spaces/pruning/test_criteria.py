"""Importance of channels: each criterion against its formula on a small network."""

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
    """Returns a network: four channels, normalized, pooled to 2x2 and read by a linear layer."""
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
    """Returns slices [4, K] of the convolution, the normalization and the linear layer's inputs."""
    return [
        model[0].weight.detach().reshape(4, 9),
        model[1].weight.detach().reshape(4, 1),
        model[5].weight.detach().reshape(3, 4, 4).transpose(0, 1).reshape(4, 12),
    ]


def by_mean(parts: list[torch.Tensor]) -> torch.Tensor:
    total = torch.stack(parts).mean(0)
    return total / total.mean()


@pytest.mark.parametrize(("criterion", "power"), [("magnitude", 2), ("l1", 1)])
def test_magnitude_is_the_mean_power_of_the_weights(criterion: Any, power: int) -> None:
    model = network()
    expected = by_mean([part.abs().pow(power).sum(1) for part in slices(model)])
    assert torch.allclose(scores(layer_of(model), criterion, {}), expected)  # type: ignore[arg-type]


def test_fpgm_is_the_sum_of_distances_to_the_other_filters() -> None:
    model = network()
    filters = slices(model)[0]
    distances = torch.stack([(filters - filter_).pow(2).sum(1).sqrt().sum() for filter_ in filters])
    score = scores(layer_of(model), "fpgm", {})
    assert torch.allclose(score, distances / distances.mean(), atol=1e-6)  # type: ignore[arg-type]


def test_fpgm_distinguishes_a_filter_from_its_opposite() -> None:
    """A distance between squared weights would be 0 for these two."""
    model = network()
    with torch.no_grad():
        model[0].weight[0] = 1.0
        model[0].weight[1] = 1.0
        model[0].weight[2] = 1.0
        model[0].weight[3] = -1.0
    score = scores(layer_of(model), "fpgm", {})
    assert score is not None
    assert score.argmax() == 3
    assert score[3] == pytest.approx(3 * float(score[0]))


def test_bn_scale_is_the_absolute_scale_of_batch_normalization() -> None:
    score = scores(layer_of(network()), "bn_scale", {})
    assert torch.allclose(score, torch.tensor([0.5, 2.0, 1.0, 0.1]) / 0.9)  # type: ignore[arg-type]


def test_lamp_divides_a_score_by_the_sum_of_scores_that_are_not_lower() -> None:
    model = network()
    total = torch.stack([part.pow(2).sum(1) for part in slices(model)]).mean(0)
    expected = torch.stack([value / total[total >= value].sum() for value in total])
    score = scores(layer_of(model), "lamp", {})
    assert torch.allclose(score, expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("criterion", ["taylor", "hessian"])
def test_gradient_criteria_follow_their_formulas(criterion: Any, data: Data) -> None:
    """|w g| with the mean gradient; w^2 g^2 / 2 with the mean of single examples' squares."""
    model = network()
    layer = layer_of(model)
    with unfrozen(model):
        mean_gradients = gradients(model, Context(data), 10, squared=criterion == "hessian")
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
        stacked = torch.stack([gradient[number] for gradient in each])
        if criterion == "taylor":
            parts.append((weights * stacked.mean(0)).abs().sum(1))
        else:
            parts.append((weights.pow(2) * stacked.pow(2).mean(0)).sum(1) / 2)
    assert torch.allclose(scores(layer, criterion, mean_gradients), by_mean(parts), rtol=1e-4)  # type: ignore[arg-type]


def test_gradients_are_removed_from_the_model_at_the_end(data: Data) -> None:
    model = network()
    model[0].weight.requires_grad_(False)
    with unfrozen(model):
        mean_gradients = gradients(model, Context(data), 5, squared=False)
    assert mean_gradients["0.weight"].abs().sum() > 0
    assert all(p.grad is None for p in model.parameters())
    assert not model[0].weight.requires_grad
    assert model[5].weight.requires_grad


def test_magnitude_of_a_head_is_that_of_its_projections() -> None:
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(6, 3, batch_first=True)
    [layer] = head_layers(nn.ModuleDict({"it": attention}), [])
    packed = attention.in_proj_weight.detach().reshape(3, 3, 2, 6)  # of q, k, v: heads
    parts = [packed[number].pow(2).sum((1, 2)) for number in range(3)]
    parts.append(attention.out_proj.weight.detach().reshape(6, 3, 2).pow(2).sum((0, 2)))
    assert torch.allclose(scores(layer, "magnitude", {}), by_mean(parts))  # type: ignore[arg-type]


def test_scores_are_none_when_the_criterion_has_no_weights_to_read() -> None:
    attention = nn.MultiheadAttention(6, 3)
    [layer] = head_layers(nn.ModuleDict({"it": attention}), [])
    assert scores(layer, "bn_scale", {}) is None
