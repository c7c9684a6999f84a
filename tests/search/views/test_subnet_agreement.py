"""The sentence on an elastic network's subnets in `front`, `status` and the report."""

from __future__ import annotations

from dataclasses import replace

from paretune.search.study.elastic_check import ElasticCheck, Score
from paretune.search.study.records import SubnetScores
from paretune.search.views.subnet_agreement import subnet_agreement

ORDERED = SubnetScores(
    subnets=21,
    seconds=4.0,
    examples=512,
    objective="accuracy",
    better="higher",
    losses=tuple(range(12)),
    final=tuple(1 - loss / 20 for loss in range(12)),
)

CHECK = ElasticCheck(512, 20, Score(0.1, 0.99), Score(0.1, 0.99), Score(0.5, 0.8), 0.9, 0.1, ("a",))


def text_of(scores: SubnetScores) -> str:
    agreement = subnet_agreement(scores)
    assert agreement is not None
    return agreement.text()


def test_scores_in_the_order_of_the_trials_are_shown_without_a_warning() -> None:
    assert text_of(ORDERED) == (
        "21 subnets scored before finetuning, on 512 training examples each, in 4 s; rank "
        "agreement with the final accuracy (Kendall's tau) 1.00, 95 % interval 1.00 to 1.00, "
        "12 trials."
    )


def test_scores_that_order_nothing_are_called_useless() -> None:
    against = replace(ORDERED, final=tuple(reversed(ORDERED.final)))
    assert "Warning: the scores do not order the trials" in text_of(against)


def test_few_trials_are_no_reason_to_doubt_the_scores() -> None:
    few = replace(ORDERED, losses=ORDERED.losses[:6], final=ORDERED.final[:6][::-1])
    assert "Warning" not in text_of(few)


def test_doubts_about_the_training_are_shown_with_their_figures() -> None:
    text = text_of(replace(ORDERED, check=CHECK))
    assert "Warning: the elastic training may not pay. Half of 20 subnets" in text
    agreement = subnet_agreement(replace(ORDERED, check=CHECK))
    assert agreement is not None
    fields = agreement.to_json()
    assert (fields["verdict"], fields["doubts"]) == ("doubtful", CHECK.text())
