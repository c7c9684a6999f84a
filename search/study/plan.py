"""Plan: the concrete choices of one trial as stages in order. Knows no optimizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from paretune.search.study.spec import BaselineSpec, Selection, digest
from paretune.search.study.technique_stages import TECHNIQUES, trains
from paretune.spaces.distillation.base import BASELINE, STAGES


@dataclass(frozen=True)
class Stage:
    """One stage of a plan.

    Attributes:
        kind: "pretrain", "prune", "finetune", "quantize" or "deploy".
        params: JSON, all defaults spelled out.
    """

    kind: str
    params: Mapping[str, Any]

    def __hash__(self) -> int:
        return hash(digest([self.kind, self.params]))


@dataclass(frozen=True)
class Plan:
    """What one trial does, from nothing to an artifact.

    Hashable and JSON-able; one typed by hand builds, measures and exports like any other.
    """

    stages: tuple[Stage, ...]

    @cached_property
    def key(self) -> str:
        """Digest of the content: equal plans have equal keys."""
        return digest(self.to_json())

    def stage(self, kind: str) -> Stage | None:
        """The stage of this kind, or None."""
        return next((stage for stage in self.stages if stage.kind == kind), None)

    def to_json(self) -> list[dict[str, Any]]:
        """[{"kind": ..., "params": ...}, ...]."""
        return [{"kind": stage.kind, "params": dict(stage.params)} for stage in self.stages]

    @staticmethod
    def from_json(value: list[dict[str, Any]]) -> Plan:
        """The inverse of `to_json`."""
        return Plan(tuple(Stage(entry["kind"], entry["params"]) for entry in value))


def make_plan(
    choices: Mapping[str, Any],
    runtime: Selection,
    teachers: Mapping[str, Mapping[str, Any]] | None = None,
    targets: Mapping[str, Selection] | None = None,
) -> Plan:
    """The plan for one assignment of the study's space.

    A stage that learns from a teacher holds "distillation", and for another teacher than the
    baseline also "teacher": its description, so that the plan says all there is to know.

    Args:
        choices: What `assign(spec.space, ...)` gives: architecture, pretrain, pruning,
            distillation, finetune, quantization; the last five may be None or {"none": {}}.
        runtime: Where it is deployed.
        teachers: Descriptions by name (`StudySpec.teachers`).
        targets: Where it is deployed instead, when there are several (`StudySpec.targets`).
    """
    first = {
        "architecture": choices["architecture"],
        "checkpoint": choices.get("checkpoint"),
        "recipe": choices.get("pretrain"),
    }
    stages = [("pretrain", first)]
    if _taken(choices.get("pruning")):
        stages.append(("prune", {"pruning": choices["pruning"]}))
    if _trained(choices.get("finetune")):
        stages.append(("finetune", {"recipe": choices["finetune"], "distillation": None}))
    if _taken(choices.get("quantization")):
        stages.append(("quantize", {"quantization": choices["quantization"]}))
    deploy = Stage("deploy", _deployed(runtime, targets or {}))
    lesson = _lesson(choices.get("distillation"), teachers or {})
    return Plan((*(Stage(kind, {**p, **lesson(kind, p)}) for kind, p in stages), deploy))


def baseline_plan(
    baseline: BaselineSpec, runtime: Selection, targets: Mapping[str, Selection] | None = None
) -> Plan:
    """The plan of trial 0: the user's model as it is, deployed in float."""
    return make_plan(
        {
            "architecture": baseline.architecture,
            "checkpoint": baseline.checkpoint,
            "pretrain": baseline.pretrain,
        },
        runtime,
        targets=targets,
    )


def _deployed(runtime: Selection, targets: Mapping[str, Selection]) -> dict[str, Any]:
    """{"runtime": {name: options}}, or {"targets": {target: {name: options}}}."""
    if not targets:
        return {"runtime": {runtime.name: dict(runtime.params)}}
    return {"targets": {name: {one.name: dict(one.params)} for name, one in targets.items()}}


def without_teacher(distillation: Mapping[str, Any]) -> dict[str, Any]:
    """{name: {parameters}} of the loss alone, without who teaches and in which stages."""
    [(name, options)] = distillation.items()
    return {name: {k: v for k, v in options.items() if k not in ("teacher", "stages")}}


def _lesson(
    distillation: Mapping[str, Any] | None, teachers: Mapping[str, Mapping[str, Any]]
) -> Callable[[str, Mapping[str, Any]], dict[str, Any]]:
    """(a stage's kind, its parameters) -> what they hold besides when it learns from a teacher."""
    if not _taken(distillation):
        return lambda kind, params: {}
    assert distillation is not None
    [(name, options)] = distillation.items()
    stages, teacher = options.get("stages", STAGES), options.get("teacher", BASELINE)
    loss = without_teacher(distillation)
    found: dict[str, Any] = {"distillation": loss}
    if teacher != BASELINE:
        loss[name]["teacher"] = teacher
        found["teacher"] = teachers[teacher]

    def lesson(kind: str, params: Mapping[str, Any]) -> dict[str, Any]:
        learns = kind in stages and (
            trains(kind, params) if kind in TECHNIQUES else _trained(params["recipe"])
        )
        return found if learns else {}

    return lesson


def _trained(recipe: Mapping[str, Any] | None) -> bool:
    return recipe is not None and recipe["epochs"] > 0


def _taken(option: Mapping[str, Any] | None) -> bool:
    return option is not None and bool(option) and "none" not in option
