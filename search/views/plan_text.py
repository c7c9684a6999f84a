"""A plan in a few words: `simple_cnn width 0.5 · pruned 45 % · distilled · static int8`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paretune.search.study.records import TrialRecord
from paretune.search.tasks.python import NETWORK, task_text

HIDDEN = {"stem", "args", "weights", "pretrained"}
"""Parameters of an architecture that are not shown."""


def trial_plan_text(trial: TrialRecord) -> str:
    """Returns a trial's plan in a few words; it says how much pruning removed, not was asked."""
    return plan_text(trial.plan, pruned_of(trial))


def pruned_of(trial: TrialRecord) -> Mapping[str, Any] | None:
    """Returns what pruning removed from a trial's network; None if nothing, or nothing is known."""
    pruned: Mapping[str, Any] | None = ((trial.artifact or {}).get("info") or {}).get("pruned")
    return pruned


def plan_text(plan: Sequence[Mapping[str, Any]], pruned: Mapping[str, Any] | None = None) -> str:
    """Returns a plan in a few words.

    Args:
        plan: The plan as JSON.
        pruned: What pruning removed, from the artifact's `info`; None gives what the plan asks for.
    """
    texts = [_stage_text(stage["kind"], stage["params"], pruned) for stage in plan]
    distillations = [_distillation_text(stage["params"]) for stage in plan]
    parts = [text for pair in zip(texts, distillations, strict=True) for text in pair if text]
    return " · ".join(dict.fromkeys(parts))  # a distillation of several stages is shown once


def _stage_text(kind: str, params: Mapping[str, Any], pruned: Mapping[str, Any] | None) -> str:
    match kind:
        case "pretrain":
            [(name, options)] = params["architecture"].items()
            return architecture_text(name, options)
        case "elastic":
            return "elastic"
        case "subnet":
            return subnet_text(params["subnet"])
        case "prune":
            [(name, options)] = params["pruning"].items()
            return _pruning_text(name, options, pruned or {})
        case "evaluate":
            return " ".join(_words(params))
        case "quantize":
            [(name, options)] = params["quantization"].items()
            return _quantization_text(name, options)
        case _:
            return ""


def subnet_text(subnet: Mapping[str, Any]) -> str:
    """Returns a subnet in a few words: `subnet width 0.5, depth 0.75, 24 pixels`."""
    parts = []
    for name in ("width", "depth"):
        value = subnet.get(name)
        if value is not None:
            shares = value.values() if isinstance(value, Mapping) else [value]
            parts.append(f"{name} {'/'.join(f'{share:g}' for share in shares)}")
    if subnet.get("resolution"):
        parts.append(f"{subnet['resolution']} pixels")
    return f"subnet {', '.join(parts)}" if parts else "subnet full size"


def _pruning_text(name: str, options: Mapping[str, Any], pruned: Mapping[str, Any]) -> str:
    """Returns the pruning: `pruned 45 % by taylor in 3 steps`, `50 % zeros`, `2 blocks removed`.

    The share of structured pruning is that of all channels, without the logits.
    """
    share = {key: f"{100 * options[key]:.0f} %" for key in ("ratio", "macs") if options.get(key)}
    if "macs" in share and "macs" in pruned:
        share["macs"] = f"{100 * pruned['macs'][1] / pruned['macs'][0]:.0f} %"
    elif "channels" in pruned:
        share["ratio"] = f"{100 * removed_share(pruned['channels']):.0f} %"
    match name:
        case "structured":
            criterion, steps = options.get("criterion", "magnitude"), options.get("steps", 1)
            amount = f"to {share['macs']} of the MACs" if "macs" in share else share.get("ratio")
            words = ["pruned", amount or ("layer by layer" if options.get("per_layer") else "")]
            words += [f"by {criterion}"] if criterion != "magnitude" else []
            words += [f"in {steps} steps"] if steps > 1 else []
            return " ".join(word for word in words if word)
        case "unstructured":
            return f"{share.get('ratio', '0 %')} zeros"
        case "semi_structured":
            return "2:4 sparse"
        case "depth":
            blocks = options.get("blocks")
            if "blocks" in pruned:
                blocks = pruned["blocks"][0] - pruned["blocks"][1]
            amount = (
                f"{100 * (options.get('share') or 0):.0f} % of the" if blocks is None else blocks
            )
            return f"{amount} block{'' if blocks == 1 else 's'} removed"
        case _:
            return " ".join([name, *_words({k: v for k, v in options.items() if _plain(v)})])


def removed_share(amount: Sequence[float]) -> float:
    """Returns the share in [0, 1] that is gone, from [before, after]."""
    before, after = amount
    return 1 - after / before if before else 0.0


def _quantization_text(name: str, options: Mapping[str, Any]) -> str:
    """Returns the number format: `static int8 except 2 layers`, `int4 weights`, `float16`."""
    if name == "weight_only":
        return f"int{options.get('bits', 8)} weights"
    if name not in ("dynamic", "static", "qat"):
        return name
    layers = options.get("keep_float", 0)
    exception = f" except {layers} layer{'s' if layers > 1 else ''}" if layers else ""
    return f"{name} int8{exception}"


def _plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _distillation_text(params: Mapping[str, Any]) -> str:
    """Returns how a stage learns from a teacher: `distilled by hints from big`."""
    if not params.get("distillation"):
        return ""
    [(name, options)] = params["distillation"].items()
    method = "" if name == "logits" else f" by {name}"
    teacher = f" from {options['teacher']}" if options.get("teacher") else ""
    return f"distilled{method}{teacher}"


def _words(params: Mapping[str, Any]) -> list[str]:
    """Returns the choices for your own trainer: `lr 0.01`, `optimizer sgd`, `momentum 0.9`."""
    words = []
    for name, value in params.items():
        if isinstance(value, Mapping):
            [*labels] = value
            branch = len(labels) == 1 and isinstance(value[labels[0]], Mapping)
            words += [f"{name} {labels[0]}", *_words(value[labels[0]])] if branch else _words(value)
        else:
            shown = f"{value:.4g}" if isinstance(value, float) else str(value)
            words.append(f"{name} {shown}")
    return words


def architecture_text(name: str, options: Mapping[str, Any]) -> str:
    """Returns an architecture with its options in a few words."""
    if name in ("torchvision", "timm"):
        name = str(options.get("name"))
        options = {k: v for k, v in options.items() if k != "name"}
    if name == "python":
        factory = options.get("factory")
        return task_text(**options["args"]) if factory == NETWORK else str(factory)
    shown = [f"{k} {_value(v)}" for k, v in options.items() if k not in HIDDEN and v is not None]
    return " ".join([name, *shown])


def _value(value: Any) -> str:
    """Returns a value as text: commas between the items of a list, slashes in a mapping."""
    match value:
        case bool() | str():
            return str(value).lower() if isinstance(value, bool) else value
        case int() | float():
            return f"{value:g}"
        case list():
            return ", ".join(map(_value, value))
        case Mapping():
            return "/".join(map(_value, value.values()))
        case _:
            return str(value)
