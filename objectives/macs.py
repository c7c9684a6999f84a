"""The objective `macs`: multiply-adds of one inference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paretune.inputs import Shape
from paretune.objectives.base import Better, Measurement, Subject, measurement
from paretune.objectives.forward_counts import count_forward
from paretune.objectives.params import Params as Base

if TYPE_CHECKING:
    import torch


class Macs:
    """Multiply-adds for one example (one fused multiply-add counts one)."""

    name = "macs"
    unit = "MACs"
    better: Better = "lower"
    cost = 0

    class Params(Base):
        """No options."""

    @staticmethod
    def measure(subject: Subject, params: Any, part: str) -> Measurement:
        """Counts convolutions and matrix products of a forward pass; exact for those.

        Attention and recurrent layers are matrix products too. Elementwise operations,
        normalization and pooling are not counted, as is usual. The conditions list these, and under
        `without_rule` every other operator that is not counted.
        """
        counts = count_forward(subject.model, subject.data.shape)
        conditions = {
            "batch": 1,
            "not_counted": ["elementwise", "normalization", "pooling"],
            "without_rule": counts.without_rule,
        }
        return measurement(Macs, float(counts.macs), conditions=conditions)


def count_macs(model: torch.nn.Module, shape: Shape) -> int:
    """Returns the multiply-adds of convolutions, linear layers and matrix products, per example."""
    return count_forward(model, shape).macs
