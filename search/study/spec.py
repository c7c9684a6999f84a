"""What a study is: the validated study file as frozen data. Nothing here reads a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from paretune.spaces.domains import Node

if TYPE_CHECKING:  # pydantic takes longer to import than a front to read
    from paretune.search.study.racing_options import RacingParams

Direction = Literal["minimize", "maximize"]


@dataclass(frozen=True)
class Selection:
    """An option of a table with its checked parameters as plain JSON, defaults included."""

    name: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class ObjectiveSpec:
    """An objective of the study: the quantity, the direction, its options as JSON."""

    name: str
    direction: Direction
    unit: str
    options: Mapping[str, Any]
    worst: float | None = None
    """What is worse than this is worth nothing to the hypervolume; None: by the baseline."""


@dataclass(frozen=True)
class Bound:
    """The right side of a constraint: `factor x baseline + offset`, or a plain number.

    Attributes:
        factor: Multiple of the baseline's value; 0 for an absolute bound.
        offset: In the objective's unit, added.
    """

    factor: float
    offset: float

    @property
    def relative(self) -> bool:
        """Whether it needs the baseline's value."""
        return self.factor != 0.0

    def resolve(self, baseline: float) -> float:
        """The bound as a number in the objective's unit."""
        return self.factor * baseline + self.offset


@dataclass(frozen=True)
class Constraint:
    """`accuracy >= baseline - 1%`.

    Attributes:
        text: As the user wrote it.
        quantity: Name of the objective it bounds.
        upper: True for `<=`, False for `>=`.
        bound: The right side.
    """

    text: str
    quantity: str
    upper: bool
    bound: Bound

    def violation(self, value: float, baseline: float) -> float:
        """How far the value is beyond the bound as a share of its size; <= 0 when it holds.

        A share, so that milliseconds and bytes weigh alike for a sampler that adds violations up.
        """
        bound = self.bound.resolve(baseline)
        excess = value - bound if self.upper else bound - value
        return excess / (abs(bound) or 1.0)

    def value(self, violation: float, baseline: float) -> float:
        """The value that is so far beyond the bound."""
        bound = self.bound.resolve(baseline)
        excess = violation * (abs(bound) or 1.0)
        return bound + excess if self.upper else bound - excess


@dataclass(frozen=True)
class BaselineSpec:
    """The user's model as it is.

    Attributes:
        architecture: {name: {parameters}}.
        checkpoint: A .safetensors or .pt file with its weights, absolute, or None.
        pretrain: The recipe as JSON, or None when its weights come from a checkpoint or a library.
    """

    architecture: Mapping[str, Any]
    checkpoint: str | None
    pretrain: Mapping[str, Any] | None


@dataclass(frozen=True)
class TrainerSpec:
    """The user's own trainer, in place of the built-in stages.

    Attributes:
        evaluate: "pkg.mod:function", called with (plan, report); gives the objectives.
        cheap: "pkg.mod:function", called with (plan) before; gives what is known without training.
        baseline: The plan of trial 0, or None for a study without a baseline.
        quantities: Name -> unit of what the functions give besides the objectives, for constraints.
    """

    evaluate: str
    cheap: str | None
    baseline: Mapping[str, Any] | None
    quantities: Mapping[str, str]


@dataclass(frozen=True)
class StudySpec:
    """A study file, checked.

    Attributes:
        name: Of the study; also of Optuna's study.
        file: The study file, absolute.
        folder: The study's own folder: database, stages, artifacts, report.
        data: The data set and its options.
        baseline: Trial 0.
        space: A Record with the keys architecture, pretrain, pruning, distillation, finetune and
            quantization, all present; `assign` gives the choices that a Plan is made of.
        runtime: Where candidates are deployed and measured; of several targets the first.
        teachers: Those that a distillation may name besides the baseline: the parameters of a
            pretrain stage, or {"average": [of such]}.
        objectives: In the order of the study file; at least one.
        constraints: Told to the sampler; a trial that breaks one is infeasible.
        goals: What the user wishes to reach; shown, and a reason to stop when `stop_at_goals`.
        sampler: Name and options.
        trials: How many trials the study shall have besides the baseline; None for no limit.
        seconds: Time budget of one run; None for no limit.
        final_seconds: The most that measuring the front again at the end may take; 0 for not at
            all, None for a share of the time that the trials took.
        stop_at_goals: End the run when a trial reaches all goals.
        seed: Every random stream starts from it.
        device: Where training happens: "auto", "cpu", "cuda", "mps".
        format_variants: Each trained network is tried in every number format that needs no
            training, or
            those of the "front" in the end.
        screening: A trial whose untrained network breaks a constraint ends before training.
        structures: A network of a structure that has been timed before is not timed again.
        max_failures: Trials that may fail in a row before the run gives up.
        cache_limit: Bytes that the stage cache may take.
        storage: SQLAlchemy URL of the study database.
        source: The study file as plain data after --set, for the database and for resume.
        targets: Name -> where candidates are deployed, in order, when the study gives several;
            empty when it gives one runtime.
        trainer: The user's own trainer; then `space` holds whatever the trainer takes, and data,
            baseline, runtime and device mean nothing.
        racing: How trials are compared while they train; None where each trains to its end.
    """

    name: str
    file: Path
    folder: Path
    data: Selection
    baseline: BaselineSpec
    space: Node
    runtime: Selection
    teachers: Mapping[str, Mapping[str, Any]]
    objectives: tuple[ObjectiveSpec, ...]
    constraints: tuple[Constraint, ...]
    goals: tuple[Constraint, ...]
    sampler: Selection
    trials: int | None
    seconds: float | None
    stop_at_goals: bool
    seed: int
    device: str
    max_failures: int
    cache_limit: int
    storage: str
    source: Mapping[str, Any]
    targets: Mapping[str, Selection] = field(default_factory=dict)
    trainer: TrainerSpec | None = None
    format_variants: bool | Literal["front"] = True
    screening: bool = True
    reuse_timings: bool = True
    final_seconds: float | None = None
    racing: RacingParams | None = None


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal content gives equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON, in hex."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()
