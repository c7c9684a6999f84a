"""Checks a study with the user's own trainer: its functions, without training."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from paretune.search.errors import UserError
from paretune.search.preflight.attempts import Refusal, attempt
from paretune.search.preflight.finding import Finding
from paretune.search.preflight.variants import random_choices
from paretune.search.study.spec import StudySpec
from paretune.search.trial.trainer_functions import (
    CHEAP,
    EVALUATE,
    refuse_without_seed,
    trainer_function,
    trainer_results,
)

PLANS = 4
"""Random plans for which `cheap` is called."""


def check_trainer(spec: StudySpec) -> Iterator[Finding]:
    """Yields whether the functions can be imported and called; `evaluate` itself is not called."""
    assert spec.trainer is not None, "only for studies with a trainer"
    for key, name in ((EVALUATE, spec.trainer.evaluate), (CHEAP, spec.trainer.cheap)):
        if name is None:
            continue
        try:
            function = trainer_function(key, name)
            if key == EVALUATE and spec.repeats > 1:
                refuse_without_seed(name, function)
        except UserError as error:
            yield Finding(key, "mistake", str(error).removeprefix(f"{key}: "), (key,))
            continue
        yield (
            _called(spec, name, function)
            if key == CHEAP
            else Finding(key, "ok", f"{name} takes (plan, report); it was not called")
        )


def _called(spec: StudySpec, name: str, function: Callable[..., Any]) -> Finding:
    """Calls `cheap` for the baseline and some random plans."""
    assert spec.trainer is not None
    plans = random_choices(spec.space, PLANS, spec.seed)
    if spec.trainer.baseline is not None:
        plans.insert(0, dict(spec.trainer.baseline))
    results = trainer_results(spec)
    refusals = [
        answer
        for plan in plans
        if isinstance(
            answer := attempt(
                CHEAP,
                lambda plan=plan: results.some(function(copy.deepcopy(plan)), name),  # type: ignore[misc]
            ),
            Refusal,
        )
    ]
    failed = [refusal for refusal in refusals if not refusal.infeasible]
    if failed:
        return Finding(CHEAP, "mistake", f"{name}: {failed[0].text}", (CHEAP,))
    if refusals:
        text = f"{name}: {len(refusals)} of {len(plans)} plans cannot exist: {refusals[0].text}"
        return Finding(CHEAP, "infeasible", text, (CHEAP,))
    return Finding(CHEAP, "ok", f"{name} was called for {len(plans)} plans")
