"""Plan: the concrete choices of one trial as stages in order. Knows no optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from paretune.search.study.elastic import elastic_choice, elastic_stages
from paretune.search.study.spec import BaselineSpec, Checkpoint, Selection, digest
from paretune.search.study.stage import TECHNIQUES, Stage
from paretune.spaces.distillation.base import BASELINE, STAGES


@dataclass(frozen=True)
class Plan:
    """The work of one trial, from an architecture to an artifact.

    Hashable, and convertible to JSON. A plan written by hand builds, measures and exports like any
    other.
    """

    stages: tuple[Stage, ...]

    @cached_property
    def key(self) -> str:
        """Digest of the content: equal plans have equal keys."""
        return digest(self.to_json())

    def stage(self, kind: str) -> Stage | None:
        """Returns the stage of this kind, or None."""
        return next((stage for stage in self.stages if stage.kind == kind), None)

    def to_json(self) -> list[dict[str, Any]]:
        """Returns [{"kind": ..., "params": ...}, ...]."""
        return [{"kind": stage.kind, "params": dict(stage.params)} for stage in self.stages]

    @staticmethod
    def from_json(value: list[dict[str, Any]]) -> Plan:
        """Returns the plan that `to_json` wrote."""
        return Plan(tuple(Stage(entry["kind"], entry["params"]) for entry in value))


def make_plan(
    choices: Mapping[str, Any],
    runtime: Selection,
    teachers: Mapping[str, Mapping[str, Any]] | None = None,
    targets: Mapping[str, Selection] | None = None,
) -> Plan:
    """Makes the plan of one assignment of the study's space.

    A stage that learns from a teacher holds "distillation". If the teacher is not the baseline, it
    also holds "teacher", the teacher's description: a plan is complete without its study.

    Args:
        choices: The result of `assign(spec.space, ...)`: architecture, pretrain, pruning,
            distillation, finetune, quantization; the last five may be None or {"none": {}}.
        runtime: The runtime of a study without targets.
        teachers: Name -> description (`StudySpec.teachers`).
        targets: Target -> runtime (`StudySpec.targets`); used instead of `runtime` unless empty.
    """
    shared, stages = _first_stages(choices)
    if _picked(choices.get("pruning")):
        stages.append(Stage("prune", {"pruning": choices["pruning"]}))
    if _trains(choices.get("finetune")):
        stages.append(Stage("finetune", {"recipe": choices["finetune"], "distillation": None}))
    if _picked(choices.get("quantization")):
        stages.append(Stage("quantize", {"quantization": choices["quantization"]}))
    deploy = Stage("deploy", _deployment(runtime, targets or {}))
    distillation = choices.get("distillation")
    taught = (_taught(stage, distillation, teachers or {}) for stage in stages)
    return Plan((*shared, *taught, deploy))


def _first_stages(choices: Mapping[str, Any]) -> tuple[list[Stage], list[Stage]]:
    """Returns the stages that make the first network.

    Those of an elastic one come first: no searched distillation changes them, as trials share them.
    """
    chosen = elastic_choice(choices)
    if chosen is not None:
        return [Stage(kind, params) for kind, params in elastic_stages(chosen)], []
    first = {
        "architecture": choices["architecture"],
        "checkpoint": _checkpoint(choices),
        "recipe": choices.get("pretrain"),
    }
    return [], [Stage("pretrain", first)]


def only_for(architecture: Mapping[str, Any], checkpoint: Checkpoint) -> dict[str, Any]:
    """Returns the choice of a checkpoint that only one architecture of the space starts from."""
    return {"architecture": dict(architecture), "weights": checkpoint}


def _checkpoint(choices: Mapping[str, Any]) -> Checkpoint | None:
    """Returns the checkpoint that the chosen architecture starts from, or None."""
    value = choices.get("checkpoint")
    if not isinstance(value, Mapping) or "architecture" not in value:
        return value
    fits = value["architecture"] == choices["architecture"]
    return value["weights"] if fits else None


def baseline_plan(
    baseline: BaselineSpec, runtime: Selection, targets: Mapping[str, Selection] | None = None
) -> Plan:
    """Makes the plan of trial 0: the user's model, unchanged and deployed in float."""
    return make_plan(
        {
            "architecture": baseline.architecture,
            "checkpoint": baseline.checkpoint,
            "pretrain": baseline.pretrain,
        },
        runtime,
        targets=targets,
    )


def _deployment(runtime: Selection, targets: Mapping[str, Selection]) -> dict[str, Any]:
    """Returns JSON: {"runtime": {name: options}}, or {"targets": {target: {name: options}}}."""
    if not targets:
        return {"runtime": {runtime.name: dict(runtime.params)}}
    return {
        "targets": {
            name: {selection.name: dict(selection.params)} for name, selection in targets.items()
        }
    }


def without_teacher(distillation: Mapping[str, Any]) -> dict[str, Any]:
    """Returns {name: {parameters}} of a distillation without its teacher and its stages."""
    [(name, options)] = distillation.items()
    return {name: {k: v for k, v in options.items() if k not in ("teacher", "stages")}}


def _taught(
    stage: Stage,
    distillation: Mapping[str, Any] | None,
    teachers: Mapping[str, Mapping[str, Any]],
) -> Stage:
    """Returns the stage, with the loss and the teacher if it learns from one."""
    if distillation is None or not _picked(distillation):
        return stage
    [(name, options)] = distillation.items()
    if stage.kind not in options.get("stages", STAGES) or not _learns(stage):
        return stage
    loss, teacher = without_teacher(distillation), options.get("teacher", BASELINE)
    params = {**stage.params, "distillation": loss}
    if teacher != BASELINE:
        loss[name]["teacher"] = teacher
        params["teacher"] = teachers[teacher]
    return Stage(stage.kind, params)


def _learns(stage: Stage) -> bool:
    return stage.trains if stage.kind in TECHNIQUES else _trains(stage.params["recipe"])


def _trains(recipe: Mapping[str, Any] | None) -> bool:
    return recipe is not None and recipe["epochs"] > 0


def _picked(option: Mapping[str, Any] | None) -> bool:
    return bool(option) and "none" not in (option or {})
