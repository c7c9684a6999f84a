"""Multiply-adds of one inference."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from objectives.base import Better, Measurement, Subject
from objectives.inputs import Shape, example
from objectives.params import Params as Base

if TYPE_CHECKING:
    import torch
    from torch.utils.flop_counter import FlopCounterMode


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

        Elementwise operations, normalization and pooling are not counted, as is usual; the
        conditions say so.
        """
        count = float(count_macs(subject.model, subject.data.shape))
        return Measurement(
            Macs.name,
            count,
            Macs.unit,
            Macs.better,
            count,
            count,
            1,
            {"batch": 1, "not_counted": ["elementwise", "normalization", "pooling"]},
        )


def count_macs(model: torch.nn.Module, shape: Shape) -> int:
    """Multiply-adds of convolutions, linear layers and matrix products for one example."""
    import torch

    # With gradients: without, the counter stumbles over a weight that flows from module to
    # module as activations do (DeBERTa's relative positions).
    with counting() as counter, torch.enable_grad():
        model.eval()(example(shape))
    return int(counter.get_total_flops()) // 2


@contextmanager
def counting() -> Iterator[FlopCounterMode]:
    """Torch's counter at work; it counts two operations for each multiply-add."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # one operation, of which nothing is counted
    try:
        with FlopCounterMode(display=False) as counter:
            yield counter
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
