"""How well the scores of subnets before finetuning order the results of their trials. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from paretune.search.front.rank_agreement import RankAgreement, rank_agreement
from paretune.search.study.elastic_check import Verdict
from paretune.search.study.records import SubnetScores
from paretune.search.views.words import count_text

ENOUGH = 10
"""Fewest trials by which the order of the scores is judged."""

NO_ORDER = 0.2
"""The scores are of no use if the upper end of Kendall's tau is below this."""


@dataclass(frozen=True)
class SubnetAgreement:
    """The scores of an elastic network's subnets, and their rank agreement with final values.

    Attributes:
        subnets: Number of subnets with a score.
        examples: Number of training examples of each score.
        seconds: Seconds that all scores took.
        objective: The objective that is compared; empty if the study has no score.
        trials: Number of complete trials with a subnet.
        agreement: Kendall's tau of the score and the objective, 1 for the same order; None for few
            trials.
        verdict: Whether the elastic training is of use; None before that is checked.
        doubts: The figures behind a doubt, and what to type; empty if there is none.
    """

    subnets: int
    examples: int
    seconds: float
    objective: str
    trials: int
    agreement: RankAgreement | None
    verdict: Verdict | None = None
    doubts: str = ""

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON."""
        return asdict(self)

    def text(self) -> str:
        """Returns a sentence for `front`, `status` and the report."""
        scored = (
            f"{count_text(self.subnets, 'subnet')} scored before finetuning, on "
            f"{count_text(self.examples, 'training example')} each, in {self.seconds:.0f} s"
        )
        tau = self.agreement
        agreement = (
            f"; rank agreement with the final {self.objective} (Kendall's tau) {tau.tau:.2f}, "
            f"95 % interval {tau.low:.2f} to {tau.high:.2f}, {count_text(tau.count, 'trial')}"
            if tau is not None
            else ""
        )
        doubts = [self._order_doubt(), self.doubts]
        return " ".join([f"{scored}{agreement}.", *(f"Warning: {d}" for d in doubts if d)])

    def _order_doubt(self) -> str:
        """Returns that the scores do not order the final values, if that is sure."""
        tau = self.agreement
        if tau is None or tau.count < ENOUGH or tau.high >= NO_ORDER:
            return ""
        return (
            "the scores do not order the trials, so they do not guide the search. Train the "
            "elastic network for more epochs, or type estimates: 0."
        )


def subnet_agreement(scores: SubnetScores | None) -> SubnetAgreement | None:
    """Returns the agreement of a study's subnet scores; None without elastic training."""
    if scores is None:
        return None
    sign = 1.0 if scores.better == "higher" else -1.0
    agreement = rank_agreement([-loss for loss in scores.losses], [sign * v for v in scores.final])
    return SubnetAgreement(
        scores.subnets,
        scores.examples,
        scores.seconds,
        scores.objective,
        len(scores.losses),
        agreement,
        scores.check.verdict if scores.check else None,
        scores.check.text() if scores.check else "",
    )
