"""The scores that the user's own task returns, their directions, and the objectives of a draft."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.metrics import metric_of
from paretune.objectives.predictor import Predictor
from paretune.objectives.score import PartExamples
from paretune.objectives.watched_session import WatchedSession
from paretune.search.errors import UserError
from paretune.search.measuring.targets import targets_of
from paretune.search.study.deployment import deployments
from paretune.search.study.quantity import SCORE, Quantity

if TYPE_CHECKING:
    from paretune.search.data.dataset import Dataset
    from paretune.search.preflight.rehearsal import Rehearsal
    from paretune.search.starting.draft import Draft
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


def set_user_objectives(draft: Draft, rehearsal: Rehearsal) -> None:
    """Sets the objectives of a draft by what the `score` of the user's task returns.

    Args:
        draft: The draft.
        rehearsal: Its study, with the baseline deployed; it measures the new objectives afterwards.

    Raises:
        UserError: No score has a known direction, or an option names a score that is missing.
    """
    values = user_scores(rehearsal.deployed[0], rehearsal.data)
    named = {
        name: value
        for name, value in draft.source["objectives"].items()
        if Quantity.of(name).objective == SCORE or name == "accuracy"
    }
    for name in named:
        if name not in values:
            raise UserError(
                f"{draft.document().where(('objectives', name))}: your task's score "
                f"gives no {name}; it gives {', '.join(values)}"
            )
    chosen = named or direction_of_score(values)
    if not chosen:
        first = next(iter(values))
        raise UserError(
            f"--objective: your task's score gives {', '.join(values)}; say which one counts "
            f"and its direction: --objective {first}:maximize, or {first}:minimize"
        )
    draft.set_objectives(chosen)
    _reopen(draft, rehearsal)


def _reopen(draft: Draft, rehearsal: Rehearsal) -> None:
    """Lets a rehearsal measure the draft's new objectives."""
    rehearsal.spec = draft.check()
    rehearsal.targets = targets_of(rehearsal.spec, deployments(rehearsal.baseline))
    by_name = {target.name: target for target in rehearsal.targets}
    rehearsal.deployed = [
        deployed._replace(target=replace(by_name[deployed.target.name]))
        for deployed in rehearsal.deployed
    ]
