"""Activations of one inference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from paretune.objectives.base import Better, Measurement, Subject, ValueSpec, measurement
from paretune.objectives.forward_counts import count_forward
from paretune.objectives.params import Params as Base


class Activations:
    """Elements that convolutions, linear layers and matrix products put out for one example.

    The sum over the network, as in Radosavovic et al. 2020 (https://arxiv.org/abs/2003.13678, who
    found that it goes with the time on accelerators better than multiply-adds do), fvcore's
    ActivationCountAnalysis and timm's tables; not the peak that lives at one moment. Fused
    attention counts its output, its scores are never put out.
    """

    name = "activations"
    unit = "activations"
    better: Better = "lower"
    cost = 0
    values: ClassVar[Mapping[str, ValueSpec]] = {
        "bytes": ValueSpec("bytes", "lower", "the same in bytes of float32")
    }

    class Params(Base):
        """No options."""

    @staticmethod
    def measure(subject: Subject, params: Any, part: str) -> list[Measurement]:
        """Counts them in a forward pass; exact."""
        found = count_forward(subject.model, subject.data.shape)
        said = {"batch": 1, "without_rule": found.without_rule}
        return [
            measurement(Activations, float(found.activations), conditions=said),
            measurement(Activations, float(found.bytes), conditions=said, further="bytes"),
        ]
