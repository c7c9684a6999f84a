"""The task `language_model`: the next token at each position of a text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from paretune.inputs import PADDING
from paretune.nests import Nest
from paretune.objectives.metrics import LANGUAGE
from paretune.search.tasks.built_in_task import BuiltInTask, TaskParams
from paretune.search.tasks.scored_batches import predictions
from paretune.search.tasks.target_facts import TargetFacts, TargetKind
from paretune.task import Metric, Outputs, Part, Per, Predict, Scored, Task

if TYPE_CHECKING:
    import torch


class LanguageModel(BuiltInTask):
    """Next tokens int64 [B, T], with logits [B, T, vocabulary]; padding does not count."""

    name = "language_model"
    metrics = LANGUAGE
    class_scores = True

    @property
    def outputs(self) -> Outputs:
        """One logit for each token of the vocabulary at each position."""
        return Outputs(self.facts.size, "position")

    @property
    def ignore(self) -> int | None:
        """Padding, which does not count."""
        return PADDING

    def loss(self, outputs: Nest, targets: Nest) -> torch.Tensor:
        """Returns the mean nats of a token; 0 if all tokens are padding."""
        from torch.nn import functional

        logits, tokens = outputs.flatten(0, 1), targets.flatten()
        loss = functional.cross_entropy(logits, tokens, ignore_index=PADDING)
        return loss.where((tokens != PADDING).any(), 0.0)  # torch gives NaN

    def score(self, predict: Predict, part: Part) -> Mapping[str, Scored]:
        """Returns perplexity, and the share of tokens that have the largest logit."""
        from paretune.objectives.metrics.language import language_scores, token_sums

        sums = [token_sums(logits, tokens) for logits, tokens in predictions(predict, part)]
        return language_scores(sums)


class LanguageModelEntry:
    """The next token at each position of a text: cross-entropy; perplexity."""

    Params = TaskParams
    targets: ClassVar[TargetKind] = "next"
    per: ClassVar[Per] = "position"
    metrics: ClassVar[Mapping[str, Metric]] = LANGUAGE

    @staticmethod
    def make(params: TaskParams, facts: TargetFacts) -> Task:
        """Returns the task for texts with this vocabulary."""
        return LanguageModel(params, facts)
