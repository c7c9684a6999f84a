"""The loss of a batch: the recipe's or the task's, with a check of what it gives."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import nn

from paretune.nests import Nest
from paretune.spaces.base import Data, InfeasibleCandidate
from paretune.spaces.table import Option
from paretune.spaces.training.losses import LOSSES, PYTHON
from paretune.spaces.training.losses.base import SCORED, LossFunction, misfit
from paretune.spaces.training.losses.cross_entropy import CrossEntropy

MISFIT = "Using a (target|input) size"
"""How torch's losses begin to warn of targets that they broadcast."""


class BatchLoss:
    """The loss that a training minimizes.

    Args:
        data: Provides the task.
        option: The recipe's loss; None for the task's own.
        smoothing: Share of each label that the cross-entropy spreads over all classes.
        device: Device of the outputs.

    Attributes:
        name: The loss in an error's words.
        ignore: Class of targets that the loss leaves out; None if all count.

    Raises:
        InfeasibleCandidate: The loss does not fit the task, or its parameters do not fit the data.
    """

    def __init__(
        self, data: Data, option: Option | None, smoothing: float = 0.0, device: str = "cpu"
    ) -> None:
        task = data.task
        ignore = getattr(option.params, "ignore", None) if option else None
        self.ignore: int | None = task.ignore if ignore is None else ignore
        self.name = f"the loss of the task {task.name}"
        self._tried = False
        self._function: LossFunction = task.loss
        self._summed: Any = None if option else getattr(task, "summed_loss", None)
        if option is not None:
            self.name = f"the loss {option.params.path if option.name == PYTHON else option.name}"  # type: ignore[attr-defined]
            self._function = _built(option, smoothing, data)
        elif smoothing:
            self._function = _smoothed(smoothing, data)
        if isinstance(self._function, nn.Module):
            self._function = _buffers_only(self.name, self._function).to(device)

    def mean(self, outputs: Nest, targets: Nest) -> torch.Tensor:
        """Returns the mean loss of a batch, a scalar with a gradient.

        Raises:
            InfeasibleCandidate: The loss is no tensor, no scalar, or has no gradient.
        """
        loss = self._scalar(outputs, targets)
        if not loss.requires_grad:
            raise InfeasibleCandidate(
                f"{self.name} has no gradient: it does not depend on the network's weights through "
                "torch; leave out detach, argmax, item and NumPy"
            )
        return loss

    def total(self, outputs: Nest, targets: Nest, count: int) -> torch.Tensor:
        """Returns the summed loss of a batch of `count` examples, with or without a gradient.

        Raises:
            InfeasibleCandidate: The loss is no tensor, or no scalar.
        """
        if self._summed is not None:
            summed: torch.Tensor = self._summed(outputs, targets)
            return summed
        return self._scalar(outputs, targets) * count

    def _scalar(self, outputs: Nest, targets: Nest) -> torch.Tensor:
        loss = self._function(outputs, targets) if self._tried else self._first(outputs, targets)
        if isinstance(loss, torch.Tensor) and not loss.ndim and loss.is_floating_point():
            return loss
        if isinstance(loss, torch.Tensor) and loss.numel() == 1 and loss.is_floating_point():
            return loss.reshape(())
        raise InfeasibleCandidate(
            f"{self.name} gave {_described(loss)}; it must give the mean of the batch, a scalar "
            "torch tensor of a floating type"
        )

    def _first(self, outputs: Nest, targets: Nest) -> Any:
        """Calls the loss for the first time, with torch's warning of wrong sizes as an error.

        Raises:
            InfeasibleCandidate: Outputs and targets have other sizes, which torch would broadcast.
        """
        self._tried = True
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=MISFIT, category=UserWarning)
            try:
                return self._function(outputs, targets)
            except UserWarning as warning:
                text = str(warning).partition(". ")[0]
                raise InfeasibleCandidate(
                    f"{self.name}: the targets do not fit the outputs: {text}; give both the same "
                    "shape"
                ) from warning


def _built(option: Option, smoothing: float, data: Data) -> LossFunction:
    """Returns the function of an option.

    Raises:
        InfeasibleCandidate: The loss does not fit the task.
    """
    entry, params = LOSSES.get(option.name), option.params
    reason = misfit(f"the loss {option.name}", entry.targets, data.task.targets)
    if reason:
        raise InfeasibleCandidate(f"{reason}; leave loss out, or take one that fits")
    if smoothing:
        params = params.model_copy(update={"label_smoothing": smoothing})
    function: LossFunction = entry.build(params, data)
    return function


def _smoothed(smoothing: float, data: Data) -> LossFunction:
    """Returns the task's cross-entropy with smoothed labels.

    Raises:
        InfeasibleCandidate: The task's own loss is no cross-entropy.
    """
    task = data.task
    if not task.class_scores or task.targets not in SCORED:
        raise InfeasibleCandidate(
            "label_smoothing changes the cross-entropy, and the task "
            f"{task.name} has another loss; leave label_smoothing out"
        )
    return CrossEntropy.build(CrossEntropy.Params(label_smoothing=smoothing), data)


def _buffers_only(name: str, module: nn.Module) -> nn.Module:
    """Returns a loss module, which may have buffers.

    Raises:
        InfeasibleCandidate: It has parameters.
    """
    trained = [parameter for parameter, _ in module.named_parameters()]
    if trained:
        raise InfeasibleCandidate(
            f"{name} has parameters ({', '.join(trained[:3])}), and only the network is trained; "
            "register them as buffers, or move them into the network"
        )
    return module


def _described(loss: object) -> str:
    if isinstance(loss, torch.Tensor):
        kind = str(loss.dtype).removeprefix("torch.")
        return f"a tensor {list(loss.shape)} of {kind}"
    return f"a {type(loss).__name__}"
