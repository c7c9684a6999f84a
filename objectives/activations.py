"""The objective `activations`: output elements of the layers that multiply matrices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from paretune.objectives.base import Better, Measurement, Subject, ValueSpec, measurement
from paretune.objectives.forward_counts import count_forward
from paretune.objectives.params import Params as Base


class Activations:
    """Output elements of convolutions, linear layers and matrix products, for one example.

    The value is the sum over the network, not the largest number in memory at one moment. So count
    fvcore's ActivationCountAnalysis, timm's tables and Radosavovic et al. 2020
    (https://arxiv.org/abs/2003.13678), where it predicts the time on accelerators better than
    multiply-adds do. Fused attention counts its output only, because it never stores its scores.
    """

    name = "activations"
    unit = "activations"
    better: Better = "lower"
    cost = 0
    values: ClassVar[Mapping[str, ValueSpec]] = {
        "bytes": ValueSpec("bytes", "lower", "the same in bytes, stored as float32")
    }

    class Params(Base):
        """No options."""

    @staticmethod
    def measure(subject: Subject, params: Any, part: str) -> list[Measurement]:
        """Counts the activations of a forward pass; exact."""
        counts = count_forward(subject.model, subject.data.shape)
        conditions = {"batch": 1, "without_rule": counts.without_rule}
        return [
            measurement(Activations, float(counts.activations), conditions=conditions),
            measurement(Activations, float(counts.bytes), conditions=conditions, further="bytes"),
        ]
