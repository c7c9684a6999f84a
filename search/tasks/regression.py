"""The task `regression`: numbers for each example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from paretune.nests import Nest
from paretune.objectives.metrics import REGRESSION
from paretune.search.tasks.built_in_task import BuiltInTask, TaskParams
from paretune.search.tasks.scored_batches import joined
from paretune.search.tasks.target_facts import TargetFacts, TargetKind
from paretune.task import Metric, Part, Per, Predict, Scored, Task

if TYPE_CHECKING:
    import torch


class Regression(BuiltInTask):
    """Values [B, D], which the network's outputs [B, D] shall equal."""

    name = "regression"
    metrics = REGRESSION

    def loss(self, outputs: Nest, targets: Nest) -> torch.Tensor:
        """Returns the mean squared error."""
        from torch.nn import functional

        return functional.mse_loss(outputs, targets)

    def score(self, predict: Predict, part: Part) -> Mapping[str, Scored]:
        """Returns RMSE, MAE and R2."""
        from paretune.objectives.metrics.regression import regression_scores

        return regression_scores(*joined(predict, part))


class RegressionEntry:
    """Numbers for each example: squared error; RMSE, MAE, R2."""

    Params = TaskParams
    targets: ClassVar[TargetKind] = "values"
    per: ClassVar[Per] = "example"
    metrics: ClassVar[Mapping[str, Metric]] = REGRESSION

    @staticmethod
    def make(params: TaskParams, facts: TargetFacts) -> Task:
        """Returns the task for data with these values."""
        return Regression(params, facts)
