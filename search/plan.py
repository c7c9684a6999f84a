"""Plan: the concrete choices of one trial as stages in order. Knows no optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from search.spec import BaselineSpec, Chosen, digest


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


def make_plan(choices: Mapping[str, Any], runtime: Chosen) -> Plan:
    """The plan for one assignment of the study's space.

    Args:
        choices: What `assign(spec.space, ...)` gives: architecture, pretrain, pruning,
            distillation, finetune, quantization; the last five may be None or {"none": {}}.
        runtime: Where it is deployed.
    """
    stages = [
        Stage(
            "pretrain",
            {
                "architecture": choices["architecture"],
                "checkpoint": choices.get("checkpoint"),
                "recipe": choices.get("pretrain"),
            },
        )
    ]
    if _taken(choices.get("pruning")):
        stages.append(Stage("prune", {"pruning": choices["pruning"]}))
    recipe = choices.get("finetune")
    if recipe and recipe["epochs"] > 0:
        distillation = choices.get("distillation")
        stages.append(
            Stage(
                "finetune",
                {"recipe": recipe, "distillation": distillation if _taken(distillation) else None},
            )
        )
    if _taken(choices.get("quantization")):
        stages.append(Stage("quantize", {"quantization": choices["quantization"]}))
    stages.append(Stage("deploy", {"runtime": {runtime.name: dict(runtime.params)}}))
    return Plan(tuple(stages))


def baseline_plan(baseline: BaselineSpec, runtime: Chosen) -> Plan:
    """The plan of trial 0: the user's model as it is, deployed in float."""
    return make_plan(
        {
            "architecture": baseline.architecture,
            "checkpoint": baseline.checkpoint,
            "pretrain": baseline.pretrain,
        },
        runtime,
    )


def _taken(option: Mapping[str, Any] | None) -> bool:
    return option is not None and bool(option) and "none" not in option
