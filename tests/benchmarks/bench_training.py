"""Paretune's training loop compared with a minimal one written by hand.

Both sides train the same network from the same weights, with the same batches in the same order and
the same optimizer. Both must end with the same weights, and their difference is printed. The ratio
shows what Paretune's loop adds: copy of the model, schedule, training accuracy, checks of the loss
and of finite weights. Time is processor time on one thread, so other work on the machine does not
count.

Target: near 1 (at most 1.1) for simple_cnn of width 1; a narrow one shows the cost per step.

Then the same loop trains with `amp: bfloat16` and `channels_last: on`, beside float32. The ratio is
below 1 on processors that multiply bfloat16 (AVX-512 BF16, AMX), and far above 1 on others.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from functools import partial

import torch
from random_images import as_dataset, random_arrays
from sides import in_turn, median_ratio, range_of_ratios
from torch.nn import functional

from paretune.search.data.image_dataset import ImageDataset
from paretune.spaces.base import Candidate, Context
from paretune.spaces.rebuild import initial_candidate
from paretune.spaces.training.adam import AdamParams
from paretune.spaces.training.loop import train
from paretune.spaces.training.recipe import Recipe

SEED = 3
BATCH = 64


def by_hand(candidate: Candidate, recipe: Recipe, data: ImageDataset) -> torch.nn.Module:
    """Trains as the loop of every tutorial does; returns the trained network."""
    model = copy.deepcopy(candidate.model).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=AdamParams().lr)
    for epoch in range(recipe.epochs):
        seed = (SEED * 1_000_003 + epoch) % 2**31  # Paretune's order of examples
        for images, labels in data.batches("train", recipe.batch_size, seed=seed):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
    return model.eval()


def difference(a: torch.nn.Module, b: torch.nn.Module) -> float:
    """Returns the largest difference of a weight."""
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return max(float((x - y).abs().max()) for x, y in pairs)


def compare(width: float, images: int, repeats: int) -> None:
    """Trains in both ways in turn, and prints the ratio."""
    data = as_dataset(random_arrays(images))
    candidate = initial_candidate({"simple_cnn": {"width": width}}, data.shape, data.classes, SEED)
    recipe = Recipe(epochs=2, batch_size=BATCH)
    context = Context(data, seed=SEED)
    apart = difference(
        train(candidate, recipe, context, stage="pretrain").model, by_hand(candidate, recipe, data)
    )
    paretune, manual = in_turn(
        [
            lambda: train(candidate, recipe, context, stage="pretrain"),
            lambda: by_hand(candidate, recipe, data),
        ],
        repeats,
        time.process_time,
    )
    print(f"training, simple_cnn of width {width:g}, {recipe.epochs} epochs of {images} images")
    print(f"  largest difference between the two sides' weights: {apart:.1g}")
    print(f"  Paretune's loop  {statistics.median(paretune):8.3f} s of processor time")
    print(f"  loop by hand     {statistics.median(manual):8.3f} s of processor time")
    ratio, spread = median_ratio(paretune, manual), range_of_ratios(paretune, manual)
    print(f"  RATIO Paretune / by hand: {ratio:.3f} ({spread}; target: at most 1.1)")


def compare_precisions(width: float, images: int, repeats: int) -> None:
    """Trains in float32 and in bfloat16 in turn, and prints the ratio."""
    data = as_dataset(random_arrays(images))
    candidate = initial_candidate({"simple_cnn": {"width": width}}, data.shape, data.classes, SEED)
    context = Context(data, seed=SEED)
    recipes = (
        Recipe(epochs=2, batch_size=BATCH),
        Recipe(epochs=2, batch_size=BATCH, amp="bfloat16", channels_last="on"),
    )
    full, half = in_turn(
        [partial(train, candidate, each, context, stage="pretrain") for each in recipes],
        repeats,
        time.process_time,
    )
    ratio, spread = median_ratio(half, full), range_of_ratios(half, full)
    print(f"  RATIO bfloat16 and channels last / float32: {ratio:.3f} ({spread})")


def main() -> None:
    """Compares with a wide and a narrow network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for width in (1.0, 0.125):
        compare(width, options.images, options.repeats)
        compare_precisions(width, options.images, options.repeats)


if __name__ == "__main__":
    main()
