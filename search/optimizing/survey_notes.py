"""What `init` learned about a model, for the rounds that follow: nothing is done twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from paretune.search.optimizing.bottleneck import bottleneck_text
from paretune.search.optimizing.goal_plans import goal_plans
from paretune.search.optimizing.time_plan import TrialTime
from paretune.search.study.spec import Constraint, digest

if TYPE_CHECKING:
    from paretune.search.starting.init import InitResult

MEASURED_AT_ONCE = ("search", "budget", "objectives", "constraints", "goals")
"""Sections that the baseline's measurement tries anyway."""


@dataclass(frozen=True)
class SurveyNotes:
    """What `init` learned.

    Attributes:
        tried: Digest of the sections of the study file whose parts it has tried.
        trial: How long the baseline and a trial will take.
        trials: Number of trials for which the epochs were chosen.
        bottleneck: The slowest layer of the baseline in words; None if it is not known.
        first: Plans that should meet the goals on costs, by what each option gained when tried.
    """

    tried: str
    trial: TrialTime
    trials: int
    bottleneck: str | None
    first: tuple[Mapping[str, Any], ...]

    @staticmethod
    def of(result: InitResult, goals: tuple[Constraint, ...]) -> SurveyNotes:
        """Returns the notes on a study that `init` wrote for these goals."""
        plan, facts = result.plan, result.facts
        assert plan is not None
        rest = facts.measure + facts.deploy
        return SurveyNotes(
            tried_parts(result.source),
            TrialTime(plan.baseline, max(0.0, plan.trial - rest), rest),
            plan.trials,
            bottleneck_text(result.profile) if result.profile else None,
            tuple(goal_plans(result.source["space"], facts, goals)),
        )

    def holds_for(self, source: Mapping[str, Any]) -> bool:
        """Returns whether every part of a study was tried; not so if the user changed it."""
        return self.tried == tried_parts(source)

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON."""
        return {**asdict(self), "first": [dict(plan) for plan in self.first]}

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> SurveyNotes:
        """Returns the notes that `to_json` wrote."""
        trial = TrialTime(**content["trial"])
        return SurveyNotes(**{**content, "trial": trial, "first": tuple(content["first"])})


def tried_parts(source: Mapping[str, Any]) -> str:
    """Returns a digest of the sections that `init` tries part by part."""
    return digest({k: v for k, v in source.items() if k not in MEASURED_AT_ONCE})
