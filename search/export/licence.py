"""The licence of an exported model's weights, if it is recorded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from paretune.search.study.spec import checkpoint_name
from paretune.search.tasks.python import NETWORK, task_text
from paretune.search.tasks.ultralytics import LICENCE, UltralyticsEntry

UNKNOWN = "no licence is recorded: check it before you pass the model on"


def licences(plan: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns a sentence for each source of weights, teachers included.

    Args:
        plan: Stages as JSON.
    """
    lines: list[str] = []
    for stage in plan:
        params = stage["params"]
        if stage["kind"] == "pretrain":
            lines += _network_lines(params, "")
        if params.get("distillation") and params.get("teacher"):
            lines += _teacher_lines(params["teacher"])
    if not any("pretrained" in line or "checkpoint" in line or LICENCE in line for line in lines):
        lines.insert(0, "You trained it from scratch: you choose the licence of the weights.")
    return list(dict.fromkeys(lines))


def _teacher_lines(teacher: Mapping[str, Any]) -> Iterator[str]:
    source = teacher["stages"][0]["params"] if "stages" in teacher else teacher
    for member in source.get("average", [source]):
        yield from _network_lines(member, "It learned from a teacher. ")


def _network_lines(params: Mapping[str, Any], prefix: str) -> Iterator[str]:
    if params.get("checkpoint"):
        name = checkpoint_name(params["checkpoint"])
        yield f"{prefix}It starts from your checkpoint {name}: {UNKNOWN}."
    [(name, options)] = params["architecture"].items()
    libraries = {"torchvision": _torchvision, "timm": _timm, "transformers": _transformers}
    if name in libraries:
        line = libraries[name](options)
        if line:
            yield prefix + line
    elif name == "python":
        yield prefix + _own_code(options)


def _own_code(options: Mapping[str, Any]) -> str:
    """Returns the sentence for a network of the user's code, or of a framework's task."""
    factory = options.get("factory")
    code = task_text(**options["args"]) if factory == NETWORK else factory
    if factory == NETWORK and options["args"]["factory"] == UltralyticsEntry.factory:
        return LICENCE
    return f"Its network is your own code, {code}; if that loads pretrained weights, {UNKNOWN}."


def _torchvision(options: Mapping[str, Any]) -> str | None:
    if not options.get("weights"):
        return None
    from torchvision import models

    name, weights = options["name"], options["weights"]
    start = f"It starts from torchvision's pretrained {name} weights ({weights})"
    try:
        meta = models.get_model_weights(name)[str(weights).rpartition(".")[2]].meta
    except (KeyError, ValueError):
        return f"{start}: {UNKNOWN}."
    if "license" in meta:
        return f"{start}, licence: {meta['license']}"
    recipe = f", trained by {meta['recipe']}" if meta.get("recipe") else ""
    return (
        f"{start}{recipe}. torchvision's code is under BSD-3-Clause and names no licence for these "
        "weights. They were trained on ImageNet, which is for research: check its terms."
    )


def _timm(options: Mapping[str, Any]) -> str | None:
    if not options.get("pretrained"):
        return None
    start = f"It starts from timm's pretrained {options['name']} weights"
    try:
        from timm.models import get_pretrained_cfg

        config = get_pretrained_cfg(options["name"])
    except (ImportError, RuntimeError, ValueError):
        return f"{start}: {UNKNOWN}."
    licence = getattr(config, "license", None)
    if not licence:
        return f"{start}: {UNKNOWN}."
    source = getattr(config, "hf_hub_id", None) or getattr(config, "origin_url", None)
    return f"{start}{f' ({source})' if source else ''}, licence: {licence}."


def _transformers(options: Mapping[str, Any]) -> str | None:
    if not options.get("checkpoint"):
        return None
    folder = Path(options["checkpoint"])
    start = f"It starts from the pretrained checkpoint {folder.name} ({options['model']})"
    try:
        card = (folder / "README.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return f"{start}: {UNKNOWN}."
    licence = re.search(r"\A---\n(?:.*\n)*?license:\s*(\S+)", card)
    return f"{start}, licence: {licence[1]}." if licence else f"{start}: {UNKNOWN}."
