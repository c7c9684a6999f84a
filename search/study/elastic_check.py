"""Whether an elastic training is of use: its figures, the verdict and what to change. Pure.

Right after the training its subnets are scored on training examples. If none is better than chance,
no trial can be of use. If they are far behind the full network, one of them is also trained alone,
and the two ways are compared. docs/elastic.md has the measurements behind the bounds.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

LEAST = 3
"""Fewest subnets beside the full network of which a median is judged."""

BEHIND = 0.10
"""Subnets are far behind if half of them lose more than this share of the examples."""

BEHIND_LOSS = 1.5
"""The same for tasks without a number of correct examples: times the full network's loss."""

DAMAGE = 0.05
"""The full network is damaged if the elastic training costs it more than this share."""

MARGIN = 0.01
"""A subnet trained alone is better if it gains more than this share of the examples."""

HIGHEST_RATE = 3e-3
"""A larger learning rate than this is not advised."""

LOSS_MARGIN = 0.05
"""The same for tasks without a number of correct examples, as a share of the loss."""

Verdict = Literal["useful", "doubtful", "useless"]


@dataclass(frozen=True)
class Score:
    """The mean loss on some examples, and the share of correct ones; None if the task has none."""

    loss: float
    correct: float | None


@dataclass(frozen=True)
class AloneComparison:
    """A subnet of the elastic network, and the same network trained alone; on validation examples.

    Attributes:
        subnet: The subnet in words.
        before: Its score right after the elastic training.
        finetuned: Its score after finetuning; equal to `before` without any.
        finetune_epochs: Epochs of the finetuning.
        alone: Score of the network cut out before the elastic training and trained for `epochs`.
        epochs: Epochs of the elastic training.
        examples: Number of validation examples.
        seconds: Seconds that the training alone took.
        elastic_seconds: Seconds that the elastic training took; None if that is not known.
    """

    subnet: str
    before: Score
    finetuned: Score
    finetune_epochs: int
    alone: Score
    epochs: int
    examples: int
    seconds: float
    elastic_seconds: float | None

    @property
    def loses(self) -> bool:
        """Whether the network is clearly better if it is trained alone."""
        if self.alone.correct is not None and self.finetuned.correct is not None:
            return self.alone.correct - self.finetuned.correct > MARGIN
        return self.finetuned.loss > self.alone.loss * (1 + LOSS_MARGIN)

    def text(self) -> str:
        """Returns the comparison as a sentence."""
        finetuned = (
            f", {_figure(self.finetuned)} after {_epochs(self.finetune_epochs)} of finetuning"
            if self.finetune_epochs
            else ""
        )
        text = (
            f"On {self.examples} validation examples the subnet {self.subnet} has "
            f"{_figure(self.before)}{finetuned}, and {_figure(self.alone)} if it is trained alone "
            f"for {_epochs(self.epochs)}"
        )
        if not self.elastic_seconds or not self.seconds:
            return f"{text}."
        times = self.elastic_seconds / self.seconds
        return f"{text}; the elastic training took as long as {times:.1f} such trainings."


@dataclass(frozen=True)
class ElasticCheck:
    """The figures of an elastic training, on the same training examples.

    Attributes:
        examples: Number of training examples.
        subnets: Number of scored subnets beside the full network.
        full: Score of the full network.
        source: Its score before the elastic training.
        median: Median score of the other subnets.
        best: Share of correct examples of the best of them; None if the task has none.
        chance: Share of the most frequent class; None if the task has none.
        advice: What to type instead.
        rate: Learning rate of the elastic training; None if it has no such option.
        comparison: The comparison with a training alone; None unless the scores call for one.
    """

    examples: int
    subnets: int
    full: Score
    source: Score
    median: Score
    best: float | None
    chance: float | None
    advice: tuple[str, ...] = ()
    rate: float | None = None
    comparison: AloneComparison | None = None

    @property
    def is_useless(self) -> bool:
        """Whether no subnet is better than chance, within two standard errors."""
        if self.best is None or self.chance is None or self.subnets < LEAST:
            return False
        error = math.sqrt(self.chance * (1 - self.chance) / self.examples)
        return self.best <= self.chance + 2 * error

    @property
    def is_behind(self) -> bool:
        """Whether half of the subnets are far behind the full network."""
        if self.subnets < LEAST:
            return False
        if self.full.correct is None or self.median.correct is None:
            return 0 < self.full.loss * BEHIND_LOSS < self.median.loss
        return self.full.correct - self.median.correct > BEHIND

    @property
    def is_damaged(self) -> bool:
        """Whether the elastic training made the full network worse."""
        if self.full.correct is None or self.source.correct is None:
            return False
        return self.source.correct - self.full.correct > DAMAGE

    @property
    def verdict(self) -> Verdict:
        """Whether trials of these subnets are useful."""
        if self.is_useless:
            return "useless"
        if not (self.is_behind or self.is_damaged):
            return "useful"
        return "doubtful" if self.comparison is None or self.comparison.loses else "useful"

    def text(self) -> str:
        """Returns the figures and what to type; empty if the training is useful."""
        match self.verdict:
            case "useful":
                return ""
            case "useless":
                return f"{self._chance_text()} {self._advice_text()}"
        parts = ["the elastic training may not pay.", *self._doubts()]
        if self.comparison is not None:
            parts.append(self.comparison.text())
        return " ".join([*parts, self._advice_text()])

    def _chance_text(self) -> str:
        return (
            f"no subnet of the elastic training is better than chance: of {self.subnets} the best "
            f"is right on {_percent(self.best)} of {self.examples} training examples, and the most "
            f"frequent class is {_percent(self.chance)} of them. The full network is right on "
            f"{_percent(self.full.correct)}, and was on {_percent(self.source.correct)} before."
        )

    def _doubts(self) -> list[str]:
        doubts = []
        if self.is_behind and self.full.correct is None:
            doubts.append(
                f"Half of {self.subnets} subnets have a loss of at least {self.median.loss:.3g} on "
                f"{self.examples} training examples, and the full network {self.full.loss:.3g}."
            )
        elif self.is_behind:
            doubts.append(
                f"Half of {self.subnets} subnets are right on at most "
                f"{_percent(self.median.correct)} of {self.examples} training examples, and the "
                f"full network on {_percent(self.full.correct)}."
            )
        if self.is_damaged:
            doubts.append(
                f"The full network was right on {_percent(self.source.correct)} of {self.examples} "
                f"training examples before, and now on {_percent(self.full.correct)}."
            )
        return doubts

    def _advice_text(self) -> str:
        lines = [*self._rate_advice(), *self.advice]
        return f"Type one of these and run again: {'; '.join(lines)}."

    def _rate_advice(self) -> list[str]:
        """Returns another learning rate, if a usual one is left in the direction that helps."""
        if self.rate is None:
            return []
        better = self.rate / 3 if self.is_damaged else min(3 * self.rate, HIGHEST_RATE)
        if not self.is_damaged and better <= self.rate:
            return []
        return [f"lr: {better:.2g} instead of {self.rate:g}"]

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON, for `from_json`."""
        return asdict(self)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> ElasticCheck:
        """Returns the check that `to_json` wrote."""
        scores = {name: Score(**value[name]) for name in ("full", "source", "median")}
        comparison = value["comparison"]
        if comparison is not None:
            names = ("before", "finetuned", "alone")
            each = {name: Score(**comparison[name]) for name in names}
            comparison = AloneComparison(**{**comparison, **each})
        advice = tuple(value["advice"])
        return ElasticCheck(**{**value, **scores, "advice": advice, "comparison": comparison})


def median_score(scores: Sequence[Score]) -> Score:
    """Returns the median of losses, and of shares of correct examples."""
    correct = [score.correct for score in scores if score.correct is not None]
    return Score(
        statistics.median(score.loss for score in scores),
        statistics.median(correct) if len(correct) == len(scores) else None,
    )


def advice(training: Mapping[str, Any], finetune_epochs: int) -> tuple[str, ...]:
    """Returns what to type instead, after an elastic training that did not pay.

    Args:
        training: Parameters of the stage `elastic`.
        finetune_epochs: The most epochs of finetuning in the space.
    """
    elastic, recipe = training["elastic"], training["recipe"]
    lines = [f"elastic: {{epochs: {2 * recipe['epochs']}}} instead of {recipe['epochs']}"]
    if elastic["width"] and elastic["width"][0] < 0.5:
        lines.append("width: [0.5, 1]")
    if elastic["depth"] and elastic["depth"]["least"] < 0.75:
        lines.append("depth: [0.75, 1]")
    lines.append(f"more epochs in space.finetune than {finetune_epochs}")
    return tuple(lines)


def rate_of(training: Mapping[str, Any]) -> float | None:
    """Returns the learning rate of a stage `elastic`; None if its optimizer has none."""
    optimizer = training["recipe"]["optimizer"]
    options = [*optimizer.values()] if isinstance(optimizer, Mapping) else []
    rate = options[0].get("lr") if options else None
    return rate if isinstance(rate, float) else None


def _figure(score: Score) -> str:
    return f"loss {score.loss:.3g}" if score.correct is None else _percent(score.correct)


def _percent(share: float | None) -> str:
    assert share is not None, "a share of correct examples"
    return f"{100 * share:.1f} %"


def _epochs(count: int) -> str:
    return "1 epoch" if count == 1 else f"{count} epochs"
