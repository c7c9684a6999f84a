"""Tells which networks of a study start from weights that may have seen its data. Pure.

A file with weights may have been trained on the data, and so may the weights that a user's own
code loads. Published weights (torchvision, timm) were trained on a public data set. They count only
if that is the study's data set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from paretune.search.study.elastic import with_sources
from paretune.search.study.spec import Selection, StudySpec
from paretune.spaces.architecture import OWN_CODE
from paretune.spaces.domains import Choice, Fixed, Float, Int, Items, Node, Record

PUBLISHED = {"torchvision": "weights", "timm": "pretrained"}
"""Architecture -> its option that loads published weights."""

PUBLISHED_ON = frozenset({"ImageNet", "Imagenette"})
"""Data sets of torchvision that published weights were trained on. Imagenette is a part of
ImageNet."""

WEIGHT_OPTIONS = ("checkpoint", "weights", "pretrained", "ckpt", "state_dict")
"""Parts of the names of options that load weights."""

WEIGHT_FILES = (".pt", ".pth", ".ckpt", ".safetensors", ".bin", ".pkl", ".tar")
"""Endings of files with weights."""


def seen_weights(spec: StudySpec) -> tuple[str, ...]:
    """Returns the networks that start from weights that may have been trained on the data.

    They are named as in the study file: "baseline", "teachers.big", "space.architecture".
    """
    if spec.trainer is not None:
        return ()
    baseline = spec.baseline
    networks: dict[str, tuple[Node, Node, Node]] = {
        "baseline": (
            Fixed(baseline.architecture),
            Fixed(baseline.checkpoint),
            Fixed(baseline.pretrain),
        )
    }
    for name, description in spec.teachers.items():
        # The members of an average, and an elastic network's source, stand in the file themselves.
        if "architecture" in description:
            parts = (Fixed(description.get(k)) for k in ("architecture", "checkpoint", "recipe"))
            architecture, checkpoint, recipe = parts
            networks[f"teachers.{name}"] = architecture, checkpoint, recipe
    if isinstance(spec.space, Record):
        fields, nothing = dict(spec.space.fields), Fixed(None)
        networks["space.architecture"] = (
            with_sources(fields.get("architecture", nothing)),
            fields.get("checkpoint", nothing),
            fields.get("pretrain", nothing),
        )
    return tuple(name for name, network in networks.items() if _may_have_seen(network, spec.data))


def _may_have_seen(network: tuple[Node, Node, Node], data: Selection) -> bool:
    """Returns whether a network may start from such weights.

    Args:
        network: Trees of its architecture, checkpoint and recipe.
        data: The study's data set.
    """
    architecture, checkpoint, recipe = network
    if any(value for _, value in _leaves(checkpoint)):
        return True
    return any(
        (name == OWN_CODE and not _always_trains(recipe)) or _loads_weights(name, params, data)
        for name, params in _options(architecture)
    )


def _loads_weights(name: str, params: Any, data: Selection) -> bool:
    """Returns whether an architecture's options load weights that may have seen the data."""
    for path, value in _leaves(params):
        if not value:
            continue
        if path == PUBLISHED.get(name):
            if data.name == "torchvision" and data.params.get("name") in PUBLISHED_ON:
                return True
        elif _names_weights(path) or str(value).lower().endswith(WEIGHT_FILES):
            return True
    return False


def _names_weights(path: str) -> bool:
    """Returns whether an option's name says that it loads weights; `init_weights` draws them."""
    name = path.lower().replace("init_weights", "")
    return any(word in name for word in WEIGHT_OPTIONS)


def _always_trains(recipe: Node) -> bool:
    """Returns whether every recipe of a tree trains for at least one epoch."""
    match recipe:
        case Choice(options):
            return all(_always_trains(child) for _, child in options)
        case Record(fields):
            return all(_at_least_one(value) for _, value in _leaves(dict(fields).get("epochs")))
        case Fixed(value) if isinstance(value, Mapping):
            return _at_least_one(value.get("epochs", 1))
        case _:
            return False


def _at_least_one(epochs: Any) -> bool:
    return isinstance(epochs, int | float) and epochs >= 1


def _options(tree: Any) -> Iterator[tuple[str, Any]]:
    """Yields (name, parameters) of each option that a tree of {name: parameters} can lead to."""
    match tree:
        case Choice(options):
            for _, child in options:
                yield from _options(child)
        case Record(fields):
            yield from fields
        case Fixed(value) if isinstance(value, Mapping):
            yield from ((str(name), params) for name, params in value.items())


def _leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yields (dotted path, value) of every plain value that a tree can lead to."""
    match tree:
        case Choice(options):
            for _, child in options:
                yield from _leaves(child, path)
        case Fixed(value):
            yield from _leaves(value, path)
        case Record() | Items():
            for key, child in tree.fields:
                yield from _leaves(child, f"{path}.{key}" if path else key)
        case Mapping():
            for key, child in tree.items():
                yield from _leaves(child, f"{path}.{key}" if path else str(key))
        case list() | tuple():
            for child in tree:
                yield from _leaves(child, path)
        case Float(low) | Int(low):
            yield path, low
        case _:
            yield path, tree
