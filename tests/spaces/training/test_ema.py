"""The running mean of the weights: its recursion, its buffers, and the stage that returns it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from paretune.spaces.base import Candidate, Context, Data
from paretune.spaces.pruning.unstructured import Unstructured
from paretune.spaces.training.ema import WeightAverage
from paretune.spaces.training.loop import train
from paretune.spaces.training.recipe import Recipe


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))


def test_mean_follows_the_recursion_with_a_smaller_decay_at_the_start() -> None:
    model = network()
    average = WeightAverage(model, 0.5)
    expected = {k: v.clone() for k, v in model.state_dict().items() if v.is_floating_point()}
    for step in range(1, 21):
        model(torch.randn(8, 4))  # moves BatchNorm's statistics
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += torch.randn_like(parameter)
        average.update()
        decay = min(0.5, (1 + step) / (10 + step))
        for name, mean in expected.items():
            expected[name] = decay * mean + (1 - decay) * model.state_dict()[name]
    average.apply()
    tensors = model.state_dict()
    assert {"1.running_mean", "1.running_var"} <= set(expected)
    for name, mean in expected.items():
        torch.testing.assert_close(tensors[name], mean)
    assert int(tensors["1.num_batches_tracked"]) == 20


def test_mean_is_applied_only_inside_the_block() -> None:
    model = network()
    average = WeightAverage(model, 0.9)
    start = model[0].weight.detach().clone()
    with torch.no_grad():
        model[0].weight += 1
    with average.applied():
        assert torch.equal(model[0].weight, start)
    assert torch.equal(model[0].weight, start + 1)


def test_stage_returns_the_mean_of_the_steps(data: Data) -> None:
    """With one batch per epoch, a training of n epochs gives the weights of step n."""
    torch.manual_seed(3)
    model = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(data.shape), data.classes)).eval()
    candidate = Candidate(model, data.shape, data.classes)

    def trained(epochs: int, ema: float | None) -> torch.Tensor:
        recipe = Recipe.model_validate(
            {
                "epochs": epochs,
                "batch_size": 24,
                "optimizer": {"sgd": {"lr": 0.5, "momentum": 0.0}},
                "ema": ema,
            }
        )
        return train(candidate, recipe, Context(data), stage="pretrain").model[1].weight.detach()

    mean = model[1].weight.detach()
    for step in (1, 2, 3):
        decay = min(0.2, (1 + step) / (10 + step))
        mean = decay * mean + (1 - decay) * trained(step, None)
    torch.testing.assert_close(trained(3, 0.2), mean)
    assert not torch.equal(trained(3, 0.2), trained(3, None))


def test_pruned_weights_stay_zero_in_the_mean(candidate: Candidate, context: Context) -> None:
    params = Unstructured.Params(ratio=0.5)
    pruned = Unstructured.apply(candidate, params, context)
    tuned = train(pruned, Recipe(epochs=2, batch_size=8, ema=0.9), context, stage="finetune")
    counts = [
        {name: int((p == 0).sum()) for name, p in c.model.named_parameters() if p.ndim > 1}
        for c in (pruned, tuned)
    ]
    assert counts[0] == counts[1]
    assert sum(counts[0].values()) > 100


@pytest.mark.parametrize("decay", [0.0, 1.0])
def test_decay_of_zero_or_one_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match=r"ema\n.*(greater than 0|less than 1)"):
        Recipe(epochs=1, ema=decay)
