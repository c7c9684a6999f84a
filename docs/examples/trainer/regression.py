"""Your own trainer in a study: regression, a task that the built-in stages do not have.

regression.yaml names `evaluate` and `cheap`. See docs/own-code.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from sklearn.datasets import make_friedman1
from torch import nn

from paretune.objectives.base import Measurement

BATCH = 64


@cache
def data() -> tuple[torch.Tensor, torch.Tensor]:
    """Returns 1,200 examples: inputs [N, 10] and targets [N, 1] with noise of deviation 1."""
    inputs, targets = make_friedman1(1200, noise=1.0, random_state=0)
    return torch.tensor(inputs).float(), torch.tensor(targets).float()[:, None]


def build(plan: Mapping[str, Any]) -> nn.Sequential:
    """Returns the network of a plan."""
    width, layers = plan["width"], [nn.Linear(10, plan["width"]), nn.ReLU()]
    for _ in range(plan["depth"] - 1):
        layers += [nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, 1))


def cheap(plan: Mapping[str, Any]) -> dict[str, float]:
    """Returns the quantities that need no training."""
    weights = sum(p.numel() for p in build(plan).parameters())
    return {"weights": weights, "size": 4.0 * weights}


def evaluate(plan: Mapping[str, Any], report: Any) -> dict[str, Measurement]:
    """Trains the network of a plan and returns its error."""
    inputs, targets = data()
    torch.manual_seed(report.seed)
    net = build(plan)
    optimizer = make_optimizer(net, plan["optimizer"])

    checkpoint, draft = report.folder / "checkpoint.pt", report.folder / "draft.pt"
    start = 0
    if checkpoint.exists():  # racing paused the trial, or the run was killed
        state = torch.load(checkpoint)
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(state["optimizer"])
        start = state["epoch"]

    for epoch in range(start, plan["epochs"]):
        train_epoch(net, optimizer, inputs[:800], targets[:800], seed=report.seed + epoch)
        error = squared_errors(net, inputs[800:], targets[800:]).mean().sqrt().item()
        state = {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch + 1}
        torch.save(state, draft)
        draft.replace(checkpoint)  # a killed run leaves no half-written checkpoint
        report(epoch + 1, error=error)  # last, because it may pause the trial

    return {"error": root_mean(squared_errors(net, inputs[800:], targets[800:]))}


def make_optimizer(net: nn.Module, option: Mapping[str, Any]) -> torch.optim.Optimizer:
    """Returns an optimizer from its option in a plan, such as {"sgd": {"lr": 0.1}}."""
    [(name, values)] = option.items()
    classes = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
    return classes[name](net.parameters(), **values)


def train_epoch(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    seed: int,
) -> None:
    """Trains one epoch, in an order that depends on the seed."""
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(seed))
    for rows in order.split(BATCH):
        loss = nn.functional.mse_loss(net(inputs[rows]), targets[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@torch.no_grad()
def squared_errors(net: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Returns the squared error of each example."""
    return (net(inputs) - targets).square().flatten()


def root_mean(errors: torch.Tensor) -> Measurement:
    """Returns the root of the mean with its 95 % interval."""
    mean, half = errors.mean().item(), 1.96 * (errors.std() / len(errors) ** 0.5).item()
    low, value, high = (max(0.0, x) ** 0.5 for x in (mean - half, mean, mean + half))
    conditions = {"examples": len(errors)}
    return Measurement("error", value, "", "lower", low, high, len(errors), conditions)
