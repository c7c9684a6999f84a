"""The techniques of a plan, and the same plan without each of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from paretune.search.study.records import TrialRecord
from paretune.search.views.plan_text import architecture_text, plan_text, pruned_of
from paretune.search.views.words import count_text

JsonPlan: TypeAlias = list[dict[str, Any]]

STAGE_OF = {"pruning": "prune", "finetuning": "finetune", "quantization": "quantize"}
"""Technique -> kind of the stage that applies it."""

ELASTIC = ("elastic", "subnet")
"""Kinds of the stages of the technique `elastic`."""


@dataclass(frozen=True)
class Technique:
    """A technique of one trial.

    Attributes:
        name: "architecture", "training", "elastic", "pruning", "finetuning", "distillation" or
            "quantization".
        text: The technique in a few words.
        without: The trial's plan without it. An architecture or a training is replaced by that of
            the baseline.
        baseline: The baseline's plan.
    """

    name: str
    text: str
    without: JsonPlan
    baseline: JsonPlan

    def is_in(self, plan: JsonPlan) -> bool:
        """Returns whether a plan has the technique, with any parameters."""
        if self.name in STAGE_OF:
            return any(stage["kind"] == STAGE_OF[self.name] for stage in plan)
        if self.name in ELASTIC:
            return any(stage["kind"] in ELASTIC for stage in plan)
        if self.name == "distillation":
            return any(stage["params"].get("distillation") for stage in plan)
        keys = _KEYS[self.name]
        return _part(plan, keys) != _part(self.baseline, keys)


_KEYS = {"architecture": ("architecture", "checkpoint"), "training": ("recipe",)}
"""Technique -> parameters of the first stage that it decides."""


def techniques_of(trial: TrialRecord, baseline: TrialRecord) -> list[Technique]:
    """Returns the techniques of a trial in the order of its plan.

    A plan of your own trainer has none: Paretune does not know what its parameters do.
    """
    if not trial.plan or trial.plan[0]["kind"] != "pretrain" or not baseline.plan:
        return []
    plan, base = trial.plan, baseline.plan
    texts = {**_first_texts(plan, base), **_stage_texts(trial)}
    return [
        Technique(name, text, plan_without(plan, name, base), base) for name, text in texts.items()
    ]


def plan_without(plan: JsonPlan, technique: str, baseline: JsonPlan) -> JsonPlan:
    """Returns a plan without one of its techniques.

    Args:
        plan: The plan as JSON.
        technique: Name of the technique.
        baseline: The baseline's plan.
    """
    if technique in STAGE_OF:
        return [stage for stage in plan if stage["kind"] != STAGE_OF[technique]]
    if technique in ELASTIC:
        return [stage for stage in plan if stage["kind"] not in ELASTIC]
    if technique == "distillation":
        return [_untaught(stage) for stage in plan]
    first = {**plan[0]["params"], **_part(baseline, _KEYS[technique])}
    return [{**plan[0], "params": first}, *plan[1:]]


def _part(plan: JsonPlan, keys: Sequence[str]) -> dict[str, Any]:
    return {key: plan[0]["params"].get(key) for key in keys if key in plan[0]["params"]}


def _untaught(stage: dict[str, Any]) -> dict[str, Any]:
    """Returns a stage that learns from no teacher, as `study.plan.make_plan` writes it."""
    params = {k: v for k, v in stage["params"].items() if k not in ("distillation", "teacher")}
    params |= {"distillation": None} if stage["kind"] == "finetune" else {}
    return {**stage, "params": params}


def _first_texts(plan: JsonPlan, baseline: JsonPlan) -> dict[str, str]:
    """Returns technique -> words, of what differs from the baseline in the first stage."""
    texts = {}
    if _part(plan, _KEYS["architecture"]) != _part(baseline, _KEYS["architecture"]):
        new, old = _architecture(plan), _architecture(baseline)
        texts["architecture"] = f"{new} instead of {old}" if new != old else f"{new}, other weights"
    if _part(plan, _KEYS["training"]) != _part(baseline, _KEYS["training"]):
        texts["training"] = "another training than the baseline's"
    return texts


def _architecture(plan: JsonPlan) -> str:
    [(name, options)] = plan[0]["params"]["architecture"].items()
    return architecture_text(name, options)


def _stage_texts(trial: TrialRecord) -> dict[str, str]:
    """Returns technique -> words, of the stages after the first and of distillation."""
    pruned, texts = pruned_of(trial), {}
    taught = [stage for stage in trial.plan if stage["params"].get("distillation")]
    for stage in trial.plan[1:]:
        alone: list[Mapping[str, Any]] = [_untaught(stage)]
        match stage["kind"]:
            case "subnet":
                texts["elastic"] = f"{plan_text(alone)} of an elastic network"
            case "prune":
                texts["pruning"] = plan_text(alone, pruned)
            case "finetune":
                epochs = (stage["params"].get("recipe") or {}).get("epochs", 0)
                texts["finetuning"] = f"fine-tuned {count_text(epochs, 'epoch')}"
            case "quantize":
                texts["quantization"] = plan_text(alone, pruned)
    if taught:
        words = plan_text(taught, pruned).split(" · ")
        texts["distillation"] = next(w for w in words if w.startswith("distilled"))
    return texts
