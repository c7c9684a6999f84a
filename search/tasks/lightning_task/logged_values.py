"""Collects what steps log, and sums it up over an epoch as Lightning does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from paretune.search.tasks.lightning_task.errors import LightningError

REDUCTIONS = ("mean", "sum", "min", "max")


@dataclass
class _Total:
    """A sum, minimum or maximum so far; `weight` is the number of examples of a mean."""

    reduction: str
    value: float = 0.0
    weight: float = 0.0

    def add(self, value: float, weight: float) -> None:
        if self.reduction == "mean":
            self.value += value * weight
        elif self.reduction == "sum":
            self.value += value
        else:
            choose = min if self.reduction == "min" else max
            self.value = choose(self.value, value) if self.weight else value
        self.weight += weight

    def result(self) -> float:
        return self.value / self.weight if self.reduction == "mean" else self.value


class LoggedValues:
    """The values that one pass logs; `log` takes the arguments of LightningModule.log.

    Args:
        batch_size: Returns the size of the batch that is worked on.
    """

    def __init__(self, batch_size: Callable[[], float]) -> None:
        self._batch_size = batch_size
        self._totals: dict[str, _Total] = {}
        self._metrics: dict[str, Any] = {}

    def log(
        self,
        name: str,
        value: Any,
        prog_bar: bool = False,
        logger: bool | None = None,
        on_step: bool | None = None,
        on_epoch: bool | None = None,
        reduce_fx: Any = "mean",
        enable_graph: bool = False,
        sync_dist: bool = False,
        sync_dist_group: Any = None,
        add_dataloader_idx: bool = True,
        batch_size: int | None = None,
        metric_attribute: str | None = None,
        rank_zero_only: bool = False,
    ) -> None:
        """Notes a number, or a torchmetrics object, whose value is computed at the end."""
        if on_epoch is False:
            return  # a value of single steps
        if hasattr(value, "compute"):
            self._metrics[name] = value
            return
        reduction = getattr(reduce_fx, "__name__", reduce_fx).removeprefix("a")  # torch.amax
        if reduction not in REDUCTIONS:
            raise LightningError(
                f'validation_step logs "{name}" with reduce_fx {reduction}; use one of '
                f"{', '.join(REDUCTIONS)}"
            )
        weight = float(batch_size if batch_size is not None else self._batch_size())
        self._totals.setdefault(name, _Total(reduction)).add(float(value), weight)

    def results(self) -> dict[str, float]:
        """Returns name -> value over the pass."""
        values = {name: total.result() for name, total in self._totals.items()}
        return values | {name: float(metric.compute()) for name, metric in self._metrics.items()}
