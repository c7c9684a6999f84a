"""The objective `accuracy`: the artifact's predictions in its runtime, scored in six ways."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from paretune.objectives.base import (
    Better,
    EvaluationData,
    Measurement,
    Subject,
    ValueSpec,
    measurement,
)
from paretune.objectives.classification_scores import Predictions, example_results, scores_of
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.finite_outputs import FiniteOutputs
from paretune.objectives.on_device.outputs import scoring_session
from paretune.objectives.params import Params as Base

if TYPE_CHECKING:
    import numpy as np

BATCH = 256
"""Examples in one run."""


class Accuracy:
    """Share of correctly classified examples, with its 95 % interval; five further scores.

    All come from one pass over the examples. The calibration error has 15 bins of equal width (Guo
    et al. 2017); F1 and balanced accuracy are means over classes, as in scikit-learn.
    """

    name = "accuracy"
    unit = "fraction"
    better: Better = "higher"
    cost = 3
    values: ClassVar[Mapping[str, ValueSpec]] = {
        "top1": ValueSpec("fraction", "higher", "the true class has the largest logit"),
        "top5": ValueSpec("fraction", "higher", "the true class is among the top five logits", 6),
        "balanced": ValueSpec("fraction", "higher", "mean of the accuracies of the classes"),
        "f1": ValueSpec("fraction", "higher", "mean of the F1 scores of the classes"),
        "loss": ValueSpec("nats", "lower", "mean cross-entropy"),
        "calibration": ValueSpec("fraction", "lower", "expected calibration error, 15 bins"),
    }

    class Params(Base):
        """Options of accuracy."""

        statistic: Literal["top1", "top5", "balanced", "f1"] = Field(
            "top1", description="which score `accuracy` is; accuracy.NAME gives each of them"
        )

    @staticmethod
    def measure(subject: Subject, params: Any, part: str) -> list[Measurement]:
        """Runs the artifact over a part of the data, on all cores.

        Raises:
            Unmeasurable: The part has no examples, or some outputs are not finite.
        """
        scoring = scoring_session(subject)
        outputs = FiniteOutputs(subject.runtime.name, part)
        batches = [
            Predictions.of(outputs.checked(_logits(scoring.session(inputs))), labels)
            for inputs, labels in subject.data.arrays(part, BATCH)
        ]
        if not batches:
            raise Unmeasurable(f"the {part} part has no examples")
        outputs.refuse()
        predictions = Predictions.joined(batches)
        scores = scores_of(predictions)
        examples = _digest(subject.data, part, predictions)
        common = {"part": part, "runtime": subject.runtime.name, **scoring.conditions}

        def score_measurement(name: str, further: str | None = None) -> Measurement:
            score = scores[name]
            conditions = {**common, "statistic": name}
            count, interval = len(predictions.labels), (score.low, score.high)
            results = example_results(name, score, predictions, examples)
            return measurement(Accuracy, score.value, interval, count, conditions, further, results)

        return [
            score_measurement(params.statistic),
            *(
                score_measurement(name, name)
                for name, spec in Accuracy.values.items()
                if subject.data.task.outputs.size >= spec.least_classes
            ),
        ]


def _logits(outputs: np.ndarray | tuple[np.ndarray, ...]) -> np.ndarray:
    """Returns the single output of a classifier.

    Raises:
        Unmeasurable: The file has several.
    """
    if isinstance(outputs, tuple):
        raise Unmeasurable(f"the file gives {len(outputs)} outputs; accuracy needs one, the logits")
    return outputs


def _digest(data: EvaluationData, part: str, predictions: Predictions) -> str:
    """Returns a digest of the examples in their order: of the data, the part and the labels."""
    digest = hashlib.sha256(f"{getattr(data, 'fingerprint', '')} {part} ".encode())
    digest.update(predictions.labels.tobytes())
    return digest.hexdigest()[:16]
