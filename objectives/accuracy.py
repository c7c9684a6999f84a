"""Accuracy of the artifact in its runtime, and what else the same answers tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from paretune.objectives.base import Better, Measurement, Subject, ValueSpec, measurement
from paretune.objectives.classification_scores import Predictions, scores_of
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.params import Params as Base

BATCH = 256


class Accuracy:
    """Share of examples whose class is right, with its 95 % interval; five more figures beside it.

    All come from one pass over the examples. The calibration error has 15 bins of equal width (Guo
    et al. 2017); F1 and balanced accuracy are means over classes, as scikit-learn has them.
    """

    name = "accuracy"
    unit = "fraction"
    better: Better = "higher"
    cost = 3
    values: ClassVar[Mapping[str, ValueSpec]] = {
        "top1": ValueSpec("fraction", "higher", "the largest logit is right"),
        "top5": ValueSpec("fraction", "higher", "the right class is among the five largest", 6),
        "balanced": ValueSpec("fraction", "higher", "mean over the classes of their own share"),
        "f1": ValueSpec("fraction", "higher", "mean over the classes of F1"),
        "loss": ValueSpec("nats", "lower", "mean cross-entropy"),
        "calibration": ValueSpec("fraction", "lower", "expected calibration error, 15 bins"),
    }

    class Params(Base):
        """Options of accuracy."""

        statistic: Literal["top1", "top5", "balanced", "f1"] = Field(
            "top1", description="what the value itself is; accuracy.NAME gives each of them"
        )

    @staticmethod
    def measure(subject: Subject, params: Any, part: str) -> list[Measurement]:
        """Runs the artifact over a part with all cores.

        Raises:
            Unmeasurable: The part has no examples.
        """
        session = subject.runtime.load(subject.artifact.path, subject.options, threads=0)
        batches = [
            Predictions.of(session(inputs), labels)
            for inputs, labels in subject.data.arrays(part, BATCH)
        ]
        if not batches:
            raise Unmeasurable(f"the {part} part has no examples")
        answers = Predictions.joined(batches)
        found = scores_of(answers)
        common = {"part": part, "runtime": subject.runtime.name}

        def said(score: str, further: str | None = None) -> Measurement:
            one = found[score]
            conditions = {**common, "statistic": score}
            seen, ends = len(answers.labels), (one.low, one.high)
            return measurement(Accuracy, one.value, ends, seen, conditions, further)

        return [
            said(params.statistic),
            *(
                said(name, name)
                for name, spec in Accuracy.values.items()
                if subject.data.classes >= spec.least_classes
            ),
        ]
