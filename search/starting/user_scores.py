"""The scores that the user's own task returns, and their directions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.metrics import metric_of
from paretune.objectives.predictor import Predictor
from paretune.objectives.score import PartExamples
from paretune.objectives.watched_session import WatchedSession
from paretune.search.errors import UserError

if TYPE_CHECKING:
    from paretune.search.data.dataset import Dataset
    from paretune.search.trial.workbench import Deployed

LOWER = re.compile(r"(^|[_./-])(err|error|errors|loss|mae|mse|rmse|distance|cost|nll|perplexity)\b")
HIGHER = re.compile(r"(^|[_./-])(acc|accuracy|score|dice|iou|f1|auc|precision|recall|map)\d*\b")
"""Names of scores that are better lower, or higher."""


def user_scores(deployed: Deployed, data: Dataset) -> dict[str, float]:
    """Returns the scores of the baseline's file on the validation part.

    Raises:
        UserError: The user's code raised an error, or returned something invalid.
    """
    target, artifact = deployed.target, deployed.artifact
    options = target.deployment.options
    session = target.deployment.runtime.load(artifact.path, options, threads=0)
    predict = Predictor.of(WatchedSession(session), data.shape, artifact)
    try:
        scores = data.task.score(predict, PartExamples(data, "validation"))
    except Unmeasurable as error:
        raise UserError(f"--task: {error}") from error
    return {name: scored.value for name, scored in scores.items()}


def direction_of_score(names: Iterable[str]) -> dict[str, str]:
    """Returns {score: direction} of the first score with a known direction; empty if none has."""
    for name in names:
        metric = metric_of(name)
        if metric is not None:
            return {name: "minimize" if metric.better == "lower" else "maximize"}
    for name in names:
        text = name.lower()
        if LOWER.search(text):
            return {name: "minimize"}
        if HIGHER.search(text):
            return {name: "maximize"}
    return {}
