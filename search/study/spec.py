"""StudySpec: the checked study file as frozen data. Nothing here reads a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Literal

from paretune.search.study.beliefs import Belief
from paretune.search.study.target_device import TargetDevice
from paretune.spaces.domains import Node
from paretune.task import Metric

if TYPE_CHECKING:  # importing pydantic takes longer than reading a front
    from paretune.search.study.racing_options import RacingParams
    from paretune.search.study.resource_options import ResourceParams

Direction = Literal["minimize", "maximize"]

Checkpoint = str | Mapping[str, str]
"""Path of a file with weights, or {"file": path, "key": keys inside the file}."""

ROUNDING = 1e-12
"""A value equals its bound if they differ by at most this share of the bound's larger term: in
binary numbers, 2.01 KB are 2009.9999999999998 bytes, and 0.8 - 10 % is 0.7000000000000001."""


@dataclass(frozen=True)
class Selection:
    """A name picked from a table, with its checked parameters as JSON, defaults included."""

    name: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class ObjectiveSpec:
    """An objective of the study: its quantity, direction and unit, and its options as JSON."""

    name: str
    direction: Direction
    unit: str
    options: Mapping[str, Any]
    worst: float | None = None
    """A trial with this value or a worse one adds no hypervolume; None: from the baseline."""


@dataclass(frozen=True)
class Bound:
    """The right side of a constraint: `factor x baseline + offset`, or a plain number.

    Attributes:
        factor: Multiple of the baseline's value; 0 for an absolute bound.
        offset: Added, in the objective's unit.
    """

    factor: float
    offset: float

    @property
    def relative(self) -> bool:
        """Whether it depends on the baseline's value."""
        return self.factor != 0.0

    def resolve(self, baseline: float) -> float:
        """Returns the bound as a number in the objective's unit."""
        return self.factor * baseline + self.offset


@dataclass(frozen=True)
class Constraint:
    """A constraint or goal, such as `accuracy >= baseline - 1%`.

    Attributes:
        text: The text that the user wrote.
        quantity: Name of the quantity that it bounds.
        upper: True for `<=`, False for `>=`.
        bound: The right side.
    """

    text: str
    quantity: str
    upper: bool
    bound: Bound

    def violation(self, value: float, baseline: float) -> float:
        """Returns how far a value is beyond the bound, as a share of the bound; <= 0 if it holds.

        Shares make milliseconds and bytes count alike for a sampler that adds violations up.
        """
        return self.excess(value, baseline) / (abs(self.bound.resolve(baseline)) or 1.0)

    def excess(self, value: float, baseline: float) -> float:
        """Returns how far a value is beyond the bound, in its unit; 0 if equal but for rounding."""
        bound = self.bound.resolve(baseline)
        excess = value - bound if self.upper else bound - value
        terms = abs(self.bound.factor * baseline), abs(self.bound.offset)
        return 0.0 if abs(excess) <= ROUNDING * max(terms) else excess

    def value(self, violation: float, baseline: float) -> float:
        """Returns the value that has this violation: the inverse of `violation`."""
        bound = self.bound.resolve(baseline)
        excess = violation * (abs(bound) or 1.0)
        return bound + excess if self.upper else bound - excess


def checkpoint_file(checkpoint: Checkpoint) -> str:
    """Returns the path of a checkpoint's file, as a plan has it."""
    return checkpoint if isinstance(checkpoint, str) else checkpoint["file"]


def checkpoint_key(checkpoint: Checkpoint) -> str | None:
    """Returns the keys that lead to the weights inside the file; None to search them."""
    return None if isinstance(checkpoint, str) else checkpoint["key"]


def checkpoint_name(checkpoint: Checkpoint) -> str:
    """Returns the file's name without folders, and the key if there is one: "net.pt (ema)"."""
    key = checkpoint_key(checkpoint)
    return PurePath(checkpoint_file(checkpoint)).name + (f" ({key})" if key else "")


@dataclass(frozen=True)
class BaselineSpec:
    """The user's model, unchanged.

    Attributes:
        architecture: {name: {parameters}}.
        checkpoint: File with its weights, relative to the study file where possible; or {"file":
            path, "key": keys inside the file}; or None.
        pretrain: The recipe as JSON, or None if its weights come from a checkpoint or a library.
    """

    architecture: Mapping[str, Any]
    checkpoint: Checkpoint | None
    pretrain: Mapping[str, Any] | None


@dataclass(frozen=True)
class TrainerSpec:
    """The user's own trainer, which replaces the built-in stages.

    Attributes:
        evaluate: "pkg.mod:function", called with (plan, report); returns the objectives.
        cheap: "pkg.mod:function", called with (plan) before; returns what needs no training.
        baseline: The plan of trial 0, or None for a study without a baseline.
        quantities: Name -> unit of further values that the functions return, for constraints.
    """

    evaluate: str
    cheap: str | None
    baseline: Mapping[str, Any] | None
    quantities: Mapping[str, str]


@dataclass(frozen=True)
class StudySpec:
    """A study file, checked.

    Attributes:
        name: Name of the study, also in Optuna's tables.
        file: Absolute path of the study file.
        folder: The study's own folder: database, stages, artifacts, report.
        data: The data set and its options.
        baseline: The network of trial 0.
        space: A Record with the keys architecture, pretrain, pruning, distillation, finetune and
            quantization, all present; `assign` returns the choices that `make_plan` takes.
        runtime: The runtime of all candidates; that of the first target, if there are targets.
        teachers: Name -> teacher other than the baseline: the parameters of a pretrain stage, or
            {"average": [of such]}.
        objectives: The objectives in the order of the study file; at least one.
        constraints: Conditions that a candidate must meet; a trial that breaks one is infeasible.
        goals: Conditions to reach; shown, and a reason to stop the run if `stop_at_goals`.
        sampler: Name and options of the sampler.
        trials: Number of trials, not counting the baseline; None for no limit.
        seconds: Time budget of one run; None for no limit.
        final_seconds: Longest time of the final session; 0 for no session, None for a share of the
            time that the trials took.
        stop_at_goals: Whether the run ends when a trial reaches all goals.
        seed: Seed of all random numbers.
        device: The device of training: "auto", "cpu", "cuda", "mps".
        format_variants: Whether each trained network is deployed in every number format that needs
            no training; "front": only networks of the front, at the end.
        screening: Whether a trial ends at once if its untrained network breaks a constraint.
        reuse_timings: Whether networks of equal structure are timed once.
        max_failures: Failed trials in a row that end the run.
        cache_limit: Largest size of the stage cache in bytes.
        storage: SQLAlchemy URL of the study database.
        source: The study file as plain data after --set, for the database and for resuming.
        targets: Target -> its runtime, in order; empty in a study of one runtime.
        trainer: The user's own trainer, or None. With one, `space` is the trainer's, and data,
            baseline, runtime and device have no meaning.
        racing: How trials are compared while they train; None if each trains to its end.
        task: What the networks are trained and scored for.
        metrics: Name without target -> unit and direction of the task's scores that the study
            names; `accuracy` of classification is an objective of its own.
        first: Plans to try first: the values of the parameters that each of them decides.
        prior: Parameter name -> where its good values probably are.
        trackers: What the study is logged to.
        resources: What a cluster reserves for each kind of stage; None if the file names nothing.
        files: Address of the store of its files, as `StoreAddress.to_json`; None for its folder.
        repeats: Number of trainings with different seeds of each trial on the front at the end.
        devices: Target -> the device that its files are measured on; None is the target of
            `runtime`. A target that is not there is measured on this host.
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
    task: Selection = Selection("classification", {"keep": []})
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    first: tuple[Mapping[str, Any], ...] = ()
    prior: Mapping[str, Belief] = field(default_factory=dict)
    trackers: tuple[Selection, ...] = ()
    resources: ResourceParams | None = None
    files: Mapping[str, Any] | None = None
    repeats: int = 1
    devices: Mapping[str | None, TargetDevice] = field(default_factory=dict)


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical(value: Any) -> str:
    """Returns JSON with sorted keys and no spaces: equal content gives equal text."""
    return _ENCODER.encode(value)


def digest(value: Any) -> str:
    """Returns the SHA-256 of the canonical JSON, in hex."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()
