"""Zeros of unstructured pruning stay zero in whatever is trained afterwards."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from paretune.spaces.base import Step


class Zeros:
    """The weights of a model that earlier pruning made zero.

    Techniques that prune without changing a shape name their parameters in `info["zeros"]`; what is
    zero in those when training begins stays zero. A weight under a parametrization (as fake
    quantization adds) is found below it.

    Args:
        model: What is trained, in place.
        history: The candidate's.
    """

    def __init__(self, model: nn.Module, history: Sequence[Step]) -> None:
        names = dict.fromkeys(name for step in history for name in step.info.get("zeros", {}))
        found = [p for name in names if (p := _parameter(model, name)) is not None]
        self._kept = [(p, p.detach() != 0) for p in found]

    @torch.no_grad()
    def restore(self) -> None:
        """Makes zero again what the last step of an optimizer changed."""
        for parameter, kept in self._kept:
            parameter.mul_(kept)


def _parameter(model: nn.Module, name: str) -> nn.Parameter | None:
    """A parameter by its dotted name; None where a later step removed its layer."""
    owner, _, leaf = name.rpartition(".")
    for path in (name, f"{owner}.parametrizations.{leaf}.original".lstrip(".")):
        try:
            return model.get_parameter(path)
        except AttributeError:
            continue
    return None
