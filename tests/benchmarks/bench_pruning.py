"""ResNet-56 pruned to 47 % of its multiply-adds and finetuned, compared with published results.

Published for CIFAR-10 at this cost: 93.39-93.5 % before, 92.9-93.8 % after, depending on the method
(Fang et al. 2023, https://arxiv.org/abs/2301.12900, compare them: 2.11 times fewer multiply-adds,
finetuned for 100 epochs or more on all 50,000 images).

Full CIFAR-10 on a GPU, with the weights of `published_weights.py`:

    python bench_pruning.py --data cifar10.npz --weights FOLDER --epochs 100 --device cuda

Without data and weights it prunes a small untrained network on random images, as a test.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from published_weights import MEAN, STD, accuracy, published_resnet
from random_images import as_dataset, random_arrays

from paretune.search.data.image_dataset import ImageDataset
from paretune.spaces.base import Candidate, Context, EpochEnd
from paretune.spaces.pruning.structured import Structured
from paretune.spaces.rebuild import initial_candidate
from paretune.spaces.training.loop import train
from paretune.spaces.training.recipe import Recipe

PUBLISHED = "93.39-93.5 % -> 92.9-93.8 %"


def loaded(options: argparse.Namespace) -> tuple[Candidate, ImageDataset, dict[str, np.ndarray]]:
    """Returns the network, a data set normalized as in its training, and all arrays."""
    if options.data is None or options.weights is None:
        arrays = random_arrays(options.images or 256)
        candidate = initial_candidate(
            {"resnet": {"blocks": 1, "shortcut": "padding"}}, (3, 32, 32), 10, 0
        )
    else:
        arrays = dict(np.load(options.data))
        candidate = published_resnet(options.weights / f"{options.model}.safetensors")
        chosen = np.random.default_rng(0).permutation(len(arrays["y_train"]))[: options.images]
        arrays["x_train"] = arrays["x_train"][chosen]
        arrays["y_train"] = arrays["y_train"][chosen]
        if "x_val" not in arrays:  # trains on all images: validation decides nothing
            arrays["x_val"], arrays["y_val"] = arrays["x_train"][:100], arrays["y_train"][:100]
    return candidate, as_dataset(arrays, mean=list(MEAN), std=list(STD)), arrays


def show(event: EpochEnd) -> None:
    """Prints the line of an epoch."""
    print(f"  epoch {event.epoch}/{event.epochs}: loss {event.loss:.3f} ({event.seconds:.0f} s)")


def main() -> None:
    """Prunes, finetunes, and prints accuracies and multiply-adds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="CIFAR-10 as .npz: x_train, y_train, x_test, ...")
    parser.add_argument("--weights", type=Path, help="folder with resnet56.safetensors")
    parser.add_argument("--model", default="resnet56", help="resnet56 or resnet20")
    parser.add_argument("--images", type=int, help="training images; default: all")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--rate", type=float, default=0.01, help="first learning rate")
    parser.add_argument("--macs", type=float, default=0.47)
    parser.add_argument("--criterion", default="taylor")
    parser.add_argument("--scope", default="global")
    parser.add_argument("--round-to", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()

    candidate, data, arrays = loaded(options)
    test = arrays["x_test"], arrays["y_test"]
    context = Context(data, device=options.device, report=show)
    params = Structured.Params(
        criterion=options.criterion,
        scope=options.scope,
        macs=options.macs,
        round_to=options.round_to,
        images=min(1024, data.size("train")),
    )
    begun = time.perf_counter()
    pruned = Structured.apply(candidate, params, context)
    seconds = time.perf_counter() - begun
    dense, reached = pruned.history[-1].info["macs"]
    size, left = pruned.history[-1].info["parameters"]
    before, after = accuracy(candidate.model, *test), accuracy(pruned.model, *test)
    print(f"pruned by {options.criterion}, {options.scope}, in {seconds:.0f} s", flush=True)
    recipe = Recipe.model_validate(
        {
            "epochs": options.epochs,
            "batch_size": 128,
            "optimizer": {
                "sgd": {"lr": options.rate, "momentum": 0.9, "weight_decay": 5e-4, "nesterov": True}
            },
            "schedule": "cosine",
            "augment": {"flip": True, "crop": 4},
            "amp": "auto",
        }
    )
    begun = time.perf_counter()
    tuned = train(pruned, recipe, context, stage="finetune")
    seconds = time.perf_counter() - begun
    trained_on = f"{data.size('train'):,} images, {options.epochs} epochs, {options.device}"
    print(f"{options.model} on {len(test[1]):,} test images")
    print(
        f"  before pruning    {100 * before:6.2f} %  {dense / 1e6:7.2f} M MACs  {size:9,} weights"
    )
    print(
        f"  after pruning     {100 * after:6.2f} %  {reached / 1e6:7.2f} M MACs  {left:9,} weights"
    )
    print(f"  after finetuning  {100 * accuracy(tuned.model, *test):6.2f} %  ({trained_on})")
    print(f"  published         {PUBLISHED} at about 47 %, 50,000 images, 100-200 epochs")
    print(f"  finetuning took {seconds:.0f} s; torch {torch.__version__}")
    print(f"  RATIO multiply-adds pruned / dense: {reached / dense:.4f} (asked: {options.macs:g})")


if __name__ == "__main__":
    main()
