"""The draft of a study: its data, baseline, runtime and goals, with nothing to search yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from paretune.search.errors import UserError
from paretune.search.starting.request import InitRequest
from paretune.search.study.constraints import quantity_name
from paretune.search.study.contradictions import refuse_contradictions
from paretune.search.study.quantity import SCORE, Quantity
from paretune.search.study.spec import StudySpec
from paretune.search.study.tables import RUNTIMES
from paretune.search.study_file.document import Document
from paretune.search.study_file.loading import load_document
from paretune.search.study_file.problems import Key
from paretune.search.study_file.task_metrics import TaskMetrics

UNTRAINED = {"epochs": 0}
"""Recipe of a baseline whose training is not chosen yet."""

MINIMIZE, MAXIMIZE = "minimize", "maximize"

COSTS = ("latency", "size")


@dataclass
class Draft:
    """A study that is written step by step.

    Attributes:
        request: What the user asked for.
        source: The study file as plain data.
        origins: Path of a key -> the command-line option that it comes from.
        spec: The study, checked; None before the first check.
    """

    request: InitRequest
    source: dict[str, Any]
    origins: dict[Key, str]
    spec: StudySpec | None = None

    @staticmethod
    def of(request: InitRequest, task: Any) -> Draft:
        """Returns the draft for a task.

        Args:
            request: What the user asked for.
            task: The task as a study file has it; None for classification.

        Raises:
            UserError: An option is missing or cannot be read.
        """
        source: dict[str, Any] = {"study": request.output.stem}
        if task is not None:
            source["task"] = task
        if not request.brings_data:
            source["data"] = request.data_option()
        elif request.data is not None or request.model is not None:
            option = "--data" if request.data is not None else "--model"
            raise UserError(f"{option}: leave it out: your task brings its network and its data")
        baseline: dict[str, Any] = {}
        if not request.brings_data:
            baseline["architecture"] = request.model_option()
        if (checkpoint := request.checkpoint_option()) is not None:
            baseline["checkpoint"] = checkpoint
        else:
            baseline["pretrain"] = dict(UNTRAINED)
        source["baseline"] = baseline
        source["space"] = {"quantization": "none"}
        if targets := request.target_options():
            source["targets"] = targets
        elif (runtime := request.runtime_option()) is not None:
            source["runtime"] = runtime
        draft = Draft(request, source, _origins(request))
        draft.set_objectives({})
        if request.goals:
            source["goals"] = list(request.goals)
        if request.time is not None:
            source["budget"] = {"time": request.time}
        return draft

    def check(self) -> StudySpec:
        """Checks the study, and returns it.

        Raises:
            StudyFileError: It has mistakes; each names the command-line option.
            UserError: Goals cannot hold, or a runtime is not installed.
        """
        self.spec = load_document(self.document(), self.request.output)
        refuse_contradictions(self.spec.goals)
        for target, selection in (self.spec.targets or {"": self.spec.runtime}).items():
            reason = RUNTIMES.get(selection.name).unavailable()
            if reason:
                key = ("targets", target) if target else ("runtime",)
                raise UserError(f"{self.document().where(key)}: {reason}")
        return self.spec

    def document(self) -> Document:
        """Returns the study as a document."""
        file = str(self.request.output)
        return Document(file, self.source, {}, dict(self.origins))

    def set_objectives(self, scores: Mapping[str, str]) -> None:
        """Sets the objectives: scores, the latency on each target, and the size on the first.

        Args:
            scores: Score of the user's own task -> direction; empty for what the options name.
        """
        objectives: dict[str, Any] = dict(scores) if scores else self._scores()
        names = list(self.source.get("targets", ())) or [None]
        for cost in COSTS:
            # One size suffices: files of several targets shrink together.
            for name in names if cost == COSTS[0] else names[:1]:
                objectives[f"{cost}@{name}" if name else cost] = MINIMIZE
        self.source["objectives"] = objectives

    def set_latency(self, value: Any) -> None:
        """Sets how the latency is measured on each target: "minimize", or options."""
        objectives = self.source["objectives"]
        for name in objectives:
            if Quantity.of(name).local == COSTS[0]:
                objectives[name] = value

    @property
    def fixed_latency(self) -> bool:
        """Whether a goal gives the latency in milliseconds."""
        goals = self.spec.goals if self.spec else ()
        return any(
            Quantity.of(goal.quantity).local == COSTS[0] and not goal.bound.relative
            for goal in goals
        )

    def set_baseline(self, **sections: Any) -> None:
        """Replaces sections of the baseline; None leaves one out."""
        merged = {**self.source["baseline"], **sections}
        self.source["baseline"] = {k: v for k, v in merged.items() if v is not None}

    def _scores(self) -> dict[str, Any]:
        """Returns the main score of a built-in task, or what the options say of the user's.

        Raises:
            UserError: --objective is wrong, or names a score of a built-in task.
        """
        if not self.request.brings_data:
            metrics = TaskMetrics.of(_selection(self.source.get("task")))
            for text in self.request.objectives:
                raise UserError(
                    f"--objective {text}: is for a score of your own task; the task {metrics.task} "
                    f"has {metrics.main}; for another one, change `objectives:` in the study file"
                )
            metric = metrics.known.get(metrics.main)
            lower = metric is not None and metric.better == "lower"
            return {metrics.main: MINIMIZE if lower else MAXIMIZE}
        scores: dict[str, Any] = {}
        for text in self.request.objectives:
            name, direction, unit = _objective(text)
            scores[name] = {direction: unit} if unit else direction
        for text in self.request.goals:
            scores |= _goal_score(text, scores)
        return scores


def _selection(task: Any) -> Any:
    from paretune.search.study.spec import Selection

    if task is None:
        return Selection("classification", {})
    return Selection(task if isinstance(task, str) else next(iter(task)), {})


def _objective(text: str) -> tuple[str, str, str]:
    """Returns (name, direction, unit) of `error:minimize:mm`.

    Raises:
        UserError: It has another form.
    """
    name, _, rest = text.partition(":")
    direction, _, unit = rest.partition(":")
    if not name or direction not in (MINIMIZE, MAXIMIZE):
        raise UserError(
            f"--objective {text}: give NAME:minimize or NAME:maximize, and perhaps a unit: "
            "--objective error:minimize:mm"
        )
    return name.strip(), direction, unit.strip()


def _goal_score(text: str, scores: Mapping[str, Any]) -> dict[str, str]:
    """Returns the score that a goal names, with its direction; empty for another quantity."""
    name = quantity_name(text)
    if name is None:
        return {}
    quantity = Quantity.of(name)
    local = quantity.local
    is_score = quantity.objective == SCORE or local == "accuracy"
    if not is_score or local in scores:
        return {}
    upper = "<" in text
    return {local: MINIMIZE if upper else MAXIMIZE}


def _origins(request: InitRequest) -> dict[Key, str]:
    origins: dict[Key, str] = {}
    for key, option, value in (
        (("task",), "--task", request.task),
        (("data",), "--data", request.data),
        (("baseline", "architecture"), "--model", request.model),
        (("baseline", "checkpoint"), "--checkpoint", request.checkpoint),
        (("runtime",), "--runtime", request.runtime),
        (("budget", "time"), "--time", request.time),
        (("study",), "-o", str(request.output)),
    ):
        if value is not None:
            origins[key] = f"{option} {value}"
    for text in request.targets:
        origins["targets", text.partition("=")[0].strip()] = f"--target {text}"
    for index, text in enumerate(request.goals):
        origins["goals", str(index)] = f'--goal "{text}"'
    return origins
