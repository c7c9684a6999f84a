"""The licence of an exported model's weights, as far as it is known."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

UNKNOWN = "no licence is recorded: check it before you pass the model on"


def licences(plan: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each source of weights, those of teachers included.

    Args:
        plan: As JSON.
    """
    said: list[str] = []
    for stage in plan:
        params = stage["params"]
        if stage["kind"] == "pretrain":
            said += _network(params, "")
        if params.get("distillation") and params.get("teacher"):
            said += _teacher(params["teacher"])
    if not any("pretrained" in line or "checkpoint" in line for line in said):
        said.insert(0, "Trained from scratch by you: the weights are under no licence but yours.")
    return list(dict.fromkeys(said))


def _teacher(described: Mapping[str, Any]) -> Iterator[str]:
    members = described.get("average", [described])
    for member in members:
        yield from _network(member, "It learned from a teacher. ")


def _network(params: Mapping[str, Any], prefix: str) -> Iterator[str]:
    if params.get("checkpoint"):
        name = Path(params["checkpoint"]).name
        yield f"{prefix}It starts from your checkpoint {name}: {UNKNOWN}."
    [(name, options)] = params["architecture"].items()
    told = {"torchvision": _torchvision, "timm": _timm, "transformers": _transformers}
    if name in told:
        found = told[name](options)
        if found:
            yield prefix + found
    elif name == "python":
        yield (
            f"{prefix}Its network is your own code, {options.get('factory')}; if that loads "
            f"pretrained weights, {UNKNOWN}."
        )


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
        "weights; ImageNet, which they were trained on, is for research: check."
    )


def _timm(options: Mapping[str, Any]) -> str | None:
    if not options.get("pretrained"):
        return None
    start = f"It starts from timm's pretrained {options['name']} weights"
    try:
        from timm.models import get_pretrained_cfg

        known = get_pretrained_cfg(options["name"])
    except (ImportError, RuntimeError, ValueError):
        return f"{start}: {UNKNOWN}."
    licence = getattr(known, "license", None)
    if not licence:
        return f"{start}: {UNKNOWN}."
    where = getattr(known, "hf_hub_id", None) or getattr(known, "origin_url", None)
    return f"{start}{f' ({where})' if where else ''}, licence: {licence}."


def _transformers(options: Mapping[str, Any]) -> str | None:
    if not options.get("checkpoint"):
        return None
    folder = Path(options["checkpoint"])
    start = f"It starts from the pretrained checkpoint {folder.name} ({options['model']})"
    try:
        card = (folder / "README.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return f"{start}: {UNKNOWN}."
    found = re.search(r"\A---\n(?:.*\n)*?license:\s*(\S+)", card)
    return f"{start}, licence: {found[1]}." if found else f"{start}: {UNKNOWN}."
