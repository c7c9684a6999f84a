"""The first recipe of a network, with which its training is tried and timed. Pure."""

from __future__ import annotations

from typing import Any

from paretune.search.starting.facts import Weights
from paretune.task import Per

STEPS = 20
"""Least batches in an epoch: fewer steps train little."""

ELEMENTS, DENSE_ELEMENTS = 6 * 2**20, 2**20
"""Most numbers in the inputs of a batch; fewer for networks whose outputs are as large."""

SIZES = (128, 64, 32, 16, 8, 4, 2, 1)

SMALLEST, SMALLEST_DENSE = 16, 4
"""Batch size of small data sets: batch normalization needs some examples.

Fewer suffice where each pixel or cell has its own output: an example fills thousands of places.
"""

LR = 1e-3
"""Learning rate of AdamW with which a network is tried first."""

TRUNK_LR = 0.1
"""Factor of the learning rate for layers with published weights."""


def batch_size_for(examples: int, elements: int, per: Per) -> int:
    """Returns a batch size that gives enough steps and fits into memory.

    Args:
        examples: Size of the training part.
        elements: Numbers in one input.
        per: What has one vector of outputs.
    """
    dense = per in ("pixel", "cell")
    most = (DENSE_ELEMENTS if dense else ELEMENTS) // max(1, elements)
    smallest = SMALLEST_DENSE if dense else SMALLEST
    limit = min(most, max(smallest, examples // STEPS), max(1, examples // 2))
    return next((size for size in SIZES if size <= limit), SIZES[-1])


def first_recipe(batch: int, loader_batch: int | None, weights: Weights) -> dict[str, Any]:
    """Returns a recipe to try.

    Args:
        batch: Batch size.
        loader_batch: Batch size that the user's own loader fixes; None if there is none.
        weights: Where the network's weights come from.
    """
    recipe: dict[str, Any] = {"optimizer": {"adamw": {"lr": LR}}, "schedule": "cosine", "epochs": 3}
    if loader_batch is None:
        recipe["batch_size"] = batch
    if weights == "published":
        recipe |= {"freeze_epochs": 1, "trunk_lr": TRUNK_LR}
    return recipe
