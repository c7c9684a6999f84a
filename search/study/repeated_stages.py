"""Which stages of a plan are trained again with other seeds. Pure."""

from __future__ import annotations

from paretune.search.study.elastic import ELASTIC, SUBNET
from paretune.search.study.plan import Plan
from paretune.search.study.stage import Stage


def first_repeated(plan: Plan, baseline: Plan) -> int | None:
    """Returns the index of the first stage that another seed changes; None if no stage is.

    Everything that a trial trains of its own is trained again: pretraining, finetuning, training
    with int8 rounding. What the trial starts from stays: the baseline's own pretraining, weights
    from a checkpoint, and an elastic training with its source. All subnets share these, and the
    spread is that of the recipe which the trial adds to them.

    Args:
        plan: The trial's plan.
        baseline: The plan of trial 0.
    """
    kinds = [stage.kind for stage in plan.stages]
    first = kinds.index(ELASTIC) + 1 if ELASTIC in kinds else 0
    for index, stage in enumerate(plan.stages):
        if index >= first and _trains(stage) and stage != baseline.stages[0]:
            return index
    return None


def _trains(stage: Stage) -> bool:
    return stage.kind not in (SUBNET, "deploy") and stage.epochs > 0
