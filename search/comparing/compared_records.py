"""Records of a comparison of studies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from paretune.objectives.base import Measurement, json_of
from paretune.search.front.changes import Change
from paretune.search.study.records import Axis


@dataclass(frozen=True)
class ComparedStudy:
    """A study in the comparison.

    Attributes:
        name: How it is called here.
        trials: Number of its trials.
        facts: What it ran on: name of a fact -> value.
        baseline: The baseline's measurements, by objective; empty without a baseline.
        front: The members of its front on the common axes.
        hypervolume: Of this front, as a share of the box up to the common reference; None if a
            value is missing.
        best: Objective -> number of the front's best trial.
        knee: Number of the front's best compromise; None if the front is empty.
    """

    name: str
    trials: int
    facts: Mapping[str, str]
    baseline: Mapping[str, Measurement]
    front: tuple[ComparedTrial, ...]
    hypervolume: float | None
    best: Mapping[str, int]
    knee: int | None


@dataclass(frozen=True)
class ComparedTrial:
    """A member of a front.

    Attributes:
        number: Trial number; 0 is the baseline.
        plan: The plan in a few words.
        measured: Objective -> measurement on the validation part, final where there is one.
        test: Objective -> measurement on the test part.
        ratios: Objective -> how many times better than the study's own baseline, with its interval.
        undominated: Whether no trial of another study is better in every compared value.
    """

    number: int
    plan: str
    measured: Mapping[str, Measurement]
    test: Mapping[str, Measurement]
    ratios: Mapping[str, Change]
    undominated: bool = True


@dataclass(frozen=True)
class Difference:
    """Two studies under one objective: their best trials by it.

    Attributes:
        objective: The objective.
        studies: Names of the two.
        trials: Numbers of their best trials.
        part: Part of the data: "validation" or "test".
        of_ratios: Whether the ratios to the own baselines are compared, not the values.
        change: The first study's trial relative to the second's; None if it cannot be compared.
        paired: Whether both were scored on the same examples, one by one.
        better: Name of the study that is better beyond noise; None if neither is.
    """

    objective: str
    studies: tuple[str, str]
    trials: tuple[int, int]
    part: str
    of_ratios: bool
    change: Change | None
    paired: bool
    better: str | None


@dataclass(frozen=True)
class ComparisonInfo:
    """Studies beside each other.

    Attributes:
        axes: The objectives that all of them have.
        ratio_axes: Those of them that are compared by their ratios to the own baselines.
        studies: The studies, in the order of the command.
        differences: For each pair of studies and each objective.
        reference: Objective -> the value up to which the hypervolume counts; of a ratio axis, how
            many times the own baseline.
        notes: Sentences on what is not alike.
    """

    axes: tuple[Axis, ...]
    ratio_axes: tuple[str, ...]
    studies: tuple[ComparedStudy, ...]
    differences: tuple[Difference, ...]
    reference: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON."""
        return json_of(self)
