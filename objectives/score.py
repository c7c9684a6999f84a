"""The objective of all tasks but classification: the scores of the deployed file."""

from __future__ import annotations

import difflib
import hashlib
import math
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field

from paretune.inputs import signature_of
from paretune.nests import Nest
from paretune.objectives import OBJECTIVES
from paretune.objectives.base import Better, EvaluationData, Measurement, Subject
from paretune.objectives.bootstrap import RESAMPLES
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.metrics import METRICS, PER_CENT, UNBOUNDED
from paretune.objectives.on_device.outputs import scoring_session
from paretune.objectives.params import Params as Base
from paretune.objectives.predictor import Predictor
from paretune.objectives.score_intervals import score_interval
from paretune.objectives.watched_session import WatchedSession
from paretune.task import Metric, Scored, Task

MOST = 256
"""Most examples in one run."""

MOST_VALUES = 2**25
"""Most numbers in the inputs or outputs of one run: 128 MiB as float32."""


class WantedMetric(Base):
    """A score that the study names; "%" if the task gives it in per cent."""

    unit: str
    better: Better


class TaskScore:
    """The scores of the study's task, such as rmse, miou or map50, on the deployed file.

    One pass over the examples gives all of them. The study file names each at the top level of
    `objectives`. Every score has an interval, unless the user's own task gives a single number.
    """

    name = "score"
    unit = ""
    better: Better = "higher"
    cost = 3

    class Params(Base):
        """Which scores the study names."""

        metrics: dict[str, WantedMetric] = Field({}, description="name -> unit and direction")

    @staticmethod
    def measure(subject: Subject, params: Any, part: str) -> list[Measurement]:
        """Runs the task's score with the artifact, on all cores.

        Returns:
            The scores that the study names, and all others whose unit is known.

        Raises:
            Unmeasurable: The part is empty, the task cannot score the artifact, or a score that
                the study names is missing or no finite number.
        """
        if not subject.data.size(part):
            raise Unmeasurable(f"the {part} part has no examples")
        scoring = scoring_session(subject)
        watched = WatchedSession(scoring.session)
        predict = Predictor.of(watched, subject.data.shape, subject.artifact)
        scores = _scores(predict, PartExamples(subject.data, part), subject.data.task, watched)
        in_per_cent = {name for name, m in params.metrics.items() if m.unit == PER_CENT}
        scores = {n: _hundredth(s) if n in in_per_cent else s for n, s in scores.items()}
        wanted = {
            name: Metric("fraction" if name in in_per_cent else m.unit, m.better)
            for name, m in params.metrics.items()
        }
        _refuse_missing(wanted, scores)
        metrics = {**_metrics_of(subject.data.task), **wanted}
        digest = _digest(subject.data, part, watched.checksum)
        common = {"part": part, "runtime": subject.runtime.name, **scoring.conditions}
        return [
            _measurement(name, scored, metrics[name], digest, common)
            for name, scored in scores.items()
            if name in wanted or (name in metrics and _refusal(name, scored, metrics[name]) is None)
        ]


class PartExamples:
    """The examples of a part, as a task scores them. It is a `Part`.

    Args:
        data: The data.
        name: "validation" or "test".

    Attributes:
        size: Number of examples.
    """

    def __init__(self, data: EvaluationData, name: str) -> None:
        self._data = data
        self.name = name
        self.size = data.size(name)

    def batches(self) -> Iterator[tuple[Nest, Nest]]:
        """Yields one ordered pass as (inputs, targets), in batches that fit into memory."""
        yield from self._data.arrays(self.name, batch_size(self._data))


def batch_size(data: EvaluationData) -> int:
    """Returns the number of examples in one run: fewer if they, or their outputs, are large."""
    shapes = [each.shape for each in signature_of(data.shape).inputs]
    outputs = data.task.outputs
    positions = {"pixel": math.prod(shapes[0][1:]), "position": shapes[0][-1] if shapes[0] else 1}
    largest = max(outputs.size * positions.get(outputs.per, 1), *map(math.prod, shapes))
    return max(1, min(MOST, MOST_VALUES // max(1, largest)))


def _scores(
    predict: Predictor, examples: PartExamples, task: Task, watched: WatchedSession
) -> Mapping[str, Scored]:
    """Returns the scores of the task.

    Raises:
        Unmeasurable: The task cannot score the artifact, or a number of examples is wrong.
    """
    try:
        scores = task.score(predict, examples)
    except Unmeasurable:
        watched.refuse(examples.name)  # outputs of NaN are a better reason
        raise
    watched.refuse(examples.name)
    for name, scored in scores.items():
        if scored.count != examples.size:
            raise Unmeasurable(
                f"{name} is a score of {scored.count} examples, but the {examples.name} part has "
                f"{examples.size}"
            )
    return scores


def _hundredth(scored: Scored) -> Scored:
    """Returns a score in per cent as a fraction."""
    if scored.correct is not None:
        return scored  # a share already
    values, weighted = scored.values, scored.weighted
    return Scored(
        scored.value / 100,
        scored.count,
        values=None if values is None else values / 100,
        weighted=None if weighted is None else lambda weights: weighted(weights) / 100,
    )


def _metrics_of(task: Task) -> dict[str, Metric]:
    """Returns the scores with a known unit; without those that objectives of their own measure."""
    metrics = {**METRICS, **task.metrics}
    return {name: metric for name, metric in metrics.items() if name not in OBJECTIVES}


def _refuse_missing(wanted: Mapping[str, Metric], scores: Mapping[str, Scored]) -> None:
    """Refuses scores without one that the study names, or with one that means nothing.

    Raises:
        Unmeasurable: The text says which.
    """
    for name, metric in wanted.items():
        if name not in scores:
            similar = difflib.get_close_matches(name, scores, n=1)
            hint = f' (did you mean "{similar[0]}"?)' if similar else ""
            raise Unmeasurable(f"score gives no {name}{hint}; it gives {', '.join(scores)}")
        refusal = _refusal(name, scores[name], metric)
        if refusal is not None:
            raise Unmeasurable(refusal)


def _refusal(name: str, scored: Scored, metric: Metric) -> str | None:
    """Returns why a score means nothing; None if it is fine."""
    value = scored.value
    if not math.isfinite(value):
        return f"{name} is {value}, not a finite number"
    if metric.unit == "fraction" and name not in UNBOUNDED and not -1e-9 <= value <= 1 + 1e-9:
        return (
            f"{name} is {value:.6g}, but a fraction lies in 0 to 1; divide it by 100 if it is in "
            f'per cent, or name its unit: {name}: {{maximize: "%"}}'
        )
    return None


def _digest(data: EvaluationData, part: str, checksum: int) -> str:
    """Returns a digest of the examples in their order: of the data, the part and the inputs."""
    text = f"{getattr(data, 'fingerprint', '')} {part} {checksum}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _measurement(
    name: str, scored: Scored, metric: Metric, digest: str, common: Mapping[str, Any]
) -> Measurement:
    interval = score_interval(scored, metric.unit, digest)
    conditions: dict[str, Any] = {**common, "statistic": name}
    if interval.samples == 0 and interval.results is None:
        single = scored.weighted is None and scored.values is None
        reason = "score gives a single number" if single else "too many samples have no score"
        conditions["interval"] = f"none, as {reason}"
    elif 0 < interval.samples < RESAMPLES:
        conditions["resamples"] = interval.samples
    return Measurement(
        name,
        scored.value,
        metric.unit,
        metric.better,
        interval.low,
        interval.high,
        scored.count,
        conditions,
        interval.results,
    )
