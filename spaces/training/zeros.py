"""Weights that unstructured pruning made zero stay zero in later training."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from paretune.spaces.base import Step


class Zeros:
    """The weights of a model that earlier pruning made zero.

    A technique that prunes without changing shapes lists its parameters in `info["zeros"]`. Weights
    of these parameters that are zero when training begins stay zero. This includes a weight with a
    parametrization, such as fake quantization.

    Args:
        model: The model to train, in place.
        history: The candidate's history.
    """

    def __init__(self, model: nn.Module, history: Sequence[Step]) -> None:
        names = dict.fromkeys(name for step in history for name in step.info.get("zeros", {}))
        pruned = [p for name in names if (p := _parameter(model, name)) is not None]
        self._masks = [(p, p.detach() != 0) for p in pruned]

    @torch.no_grad()
    def restore(self) -> None:
        """Sets the weights to zero again that an optimizer's step changed."""
        for parameter, mask in self._masks:
            parameter.mul_(mask)


def _parameter(model: nn.Module, name: str) -> nn.Parameter | None:
    """Returns a parameter by its dotted name, or None if a later step removed its layer."""
    owner, _, leaf = name.rpartition(".")
    for path in (name, f"{owner}.parametrizations.{leaf}.original".lstrip(".")):
        try:
            return model.get_parameter(path)
        except AttributeError:
            continue
    return None
