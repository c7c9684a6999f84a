"""How well the scores of subnets before finetuning order the results of their trials. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from paretune.search.front.rank_agreement import RankAgreement, rank_agreement
from paretune.search.study.records import SubnetScores
from paretune.search.views.words import count_text


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
    """

    subnets: int
    examples: int
    seconds: float
    objective: str
    trials: int
    agreement: RankAgreement | None

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON."""
        return asdict(self)

    def text(self) -> str:
        """Returns a sentence for `front`, `status` and the report."""
        scored = (
            f"{count_text(self.subnets, 'subnet')} scored before finetuning, on "
            f"{count_text(self.examples, 'training example')} each, in {self.seconds:.0f} s"
        )
        if self.agreement is None:
            return f"{scored}."
        tau = self.agreement
        return (
            f"{scored}; rank agreement with the final {self.objective} (Kendall's tau) "
            f"{tau.tau:.2f}, 95 % interval {tau.low:.2f} to {tau.high:.2f}, "
            f"{count_text(tau.count, 'trial')}."
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
    )
