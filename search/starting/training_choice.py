"""Chooses the recipes of a study file: `baseline.pretrain`, `space.pretrain`, `finetune`. Pure."""

from __future__ import annotations

import re
from typing import Any

from paretune.search.starting.commented_yaml import Path
from paretune.search.starting.facts import StartFacts
from paretune.search.starting.first_recipe import LR, TRUNK_LR
from paretune.search.starting.ranges import best_rate, rate_range
from paretune.search.starting.section_choice import SectionChoice, seconds_text
from paretune.search.study.units import format_value
from paretune.spaces.training.augment_fit import augmentation_refusal

CHARACTERS = ("digits", "MNIST", "EMNIST", "KMNIST", "QMNIST", "SVHN", "USPS", "Omniglot")
"""Data sets of characters, which change their meaning when they are mirrored."""

SIDED = re.compile(r"\b(left|right|links|rechts|gauche|droite)\b", re.IGNORECASE)
"""Names of classes that a mirror exchanges."""

SHIFT = 16
"""A random crop shifts images by up to this share of their side: 1/16."""

LARGEST_SHIFT = 8


def augmentation_of(facts: StartFacts) -> tuple[dict[str, Any], str]:
    """Returns the augmentation that leaves the targets true, and the reason."""
    if facts.own_task or facts.targets is None or not facts.pixels:
        return {}, ""
    if facts.targets == "values":
        return {}, ""
    augment: dict[str, Any] = {}
    reason = _no_flip(facts)
    if reason is None and not augmentation_refusal("flip", facts.inputs, facts.targets):
        augment["flip"] = True
    shift = min(LARGEST_SHIFT, facts.side // SHIFT)
    if shift and not augmentation_refusal("crop", facts.inputs, facts.targets):
        augment["crop"] = shift
    text = f"not mirrored: {reason}" if reason else "remove flip if left and right differ"
    return augment, text if augment else ""


def _no_flip(facts: StartFacts) -> str | None:
    """Returns why images are not mirrored; None if they may be."""
    if facts.data == "digits" or facts.data_name in CHARACTERS:
        return "the images are characters"
    if facts.data == "images" and all(len(name) == 1 for name in facts.class_names):
        return "the classes are named as characters"
    if any(SIDED.search(name.replace("_", " ")) for name in facts.class_names):
        return "classes are named left and right"
    return "grey images may be characters" if facts.channels == 1 else None


def pretrain_choice(facts: StartFacts, epochs: int) -> SectionChoice:
    """Returns the recipe of a baseline that is not trained yet."""
    lr = best_rate(facts.rates) or LR
    augment, _ = augmentation_of(facts)
    recipe: dict[str, Any] = {
        "optimizer": {"adamw": {"lr": lr}},
        "schedule": {"cosine": {"warmup": 0.1}},
        "epochs": epochs,
        **_batch(facts),
        **_clip(facts),
    }
    if facts.weights == "published":
        recipe |= {"freeze_epochs": 1, "trunk_lr": TRUNK_LR}
    if augment:
        recipe["augment"] = augment
    comments: dict[Path, str] = {("optimizer",): _rates_text(facts, lr)} if facts.rates else {}
    return SectionChoice(recipe, {k: v for k, v in comments.items() if v})


def finetune_choice(facts: StartFacts, epochs: int, learns: bool) -> SectionChoice:
    """Returns the recipe of the training after pruning.

    Args:
        facts: What was measured.
        epochs: Its epochs.
        learns: Whether the space has anything that needs training.
    """
    if not learns:
        return SectionChoice()
    low, high = rate_range(facts.rates, LR, facts.trained)
    augment, reason = augmentation_of(facts)
    recipe: dict[str, Any] = {
        "optimizer": {"adamw": {"lr": {"float": [low, high], "log": True}}},
        "schedule": "cosine",
        "epochs": epochs,
        **_batch(facts),
        **_clip(facts),
    }
    comments: dict[Path, str] = {}
    if facts.rates:
        comments["optimizer",] = _rates_text(facts, best_rate(facts.rates))
    comments["epochs",] = _epoch_text(facts)
    if "batch_size" in recipe:
        steps = -(-facts.sizes["train"] // recipe["batch_size"])
        comments["batch_size",] = f"{steps} steps in an epoch"
    if augment:
        recipe["augment"] = augment
        comments["augment",] = reason
    return SectionChoice(recipe, comments)


def _batch(facts: StartFacts) -> dict[str, int]:
    return {} if facts.loader_batch is not None else {"batch_size": facts.batch}


def _clip(facts: StartFacts) -> dict[str, float]:
    """Returns the limit of the gradient that transformers for texts are trained with."""
    return {"clip": 1.0} if facts.inputs == "text" else {}


def _epoch_text(facts: StartFacts) -> str:
    return f"an epoch of the baseline takes {seconds_text(facts.epoch)}"


def _rates_text(facts: StartFacts, best: float | None) -> str:
    """Returns what the short trainings gave: `of 5 rates tried, 1e-3 gave the lowest loss`."""
    if best is None:
        return "all rates that were tried diverged"
    diverged = [rate.lr for rate in facts.rates if rate.loss is None]
    loss = next(rate.loss for rate in facts.rates if rate.lr == best)
    text = f"{_rate(best)} gave the lowest loss of {len(facts.rates)} rates tried"
    assert loss is not None
    text += f" ({format_value(loss, '')})"
    return text + (f"; {_rate(min(diverged))} diverged" if diverged else "")


def _rate(value: float) -> str:
    from paretune.search.starting.commented_yaml import scalar

    return scalar(value)
