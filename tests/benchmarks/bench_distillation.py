"""Test accuracy of students that learn from a teacher, and of the same students without one.

The data is digits (8x8). A wide teacher is trained first, then small students with each of the
distillations below. All else is equal: initial weights, batches and epochs. Each seed gives a pair,
so the mean difference is printed with its standard error over the seeds. A difference within two
standard errors counts as none.

There is no target: a study shows whether distillation helps. The ratio is that of the errors.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

import torch

from paretune.search.data import load_data
from paretune.search.data.image_dataset import ImageDataset
from paretune.spaces.base import Candidate, Context
from paretune.spaces.distillation import DISTILLATIONS
from paretune.spaces.rebuild import initial_candidate
from paretune.spaces.table import Option
from paretune.spaces.training.loop import train
from paretune.spaces.training.recipe import Recipe

STUDENT = {"simple_cnn": {"width": 0.0625}}
TEACHER = {"simple_cnn": {"width": 1.0}}
OPTIONS: dict[str, dict[str, Any]] = {
    "logits": {"alpha": 0.9, "temperature": 4.0},
    "hints": {},
    "attention": {"beta": 10.0},
    "decoupled": {"beta": 1.0},
}


def accuracy(model: torch.nn.Module, data: ImageDataset) -> float:
    """Returns the accuracy on the test part, in per cent."""
    right = total = 0
    with torch.inference_mode():
        for images, labels in data.batches("test", 512):
            right += int((model(images).argmax(1) == labels).sum())
            total += len(labels)
    return 100 * right / total


def students(data: ImageDataset, seed: int, epochs: int) -> dict[str, float]:
    """Returns the accuracy of the teacher, of the student alone, and with each distillation."""
    recipe = Recipe.model_validate(
        {"epochs": epochs, "batch_size": 32, "optimizer": {"adam": {"lr": 2e-3}}}
    )

    def trained(network: dict[str, Any], context: Context) -> Candidate:
        fresh = initial_candidate(network, data.shape, data.classes, seed)
        return train(fresh, recipe, context, stage="pretrain")

    teacher = trained(TEACHER, Context(data, seed=seed)).model
    accuracies = {
        "teacher": accuracy(teacher, data),
        "none": accuracy(trained(STUDENT, Context(data, seed=seed)).model, data),
    }
    for name, params in OPTIONS.items():
        option = Option(name, DISTILLATIONS.get(name).Params(**params))
        context = Context(data, seed=seed, teacher=teacher, distillation=option)
        accuracies[name] = accuracy(trained(STUDENT, context).model, data)
    return accuracies


def main() -> None:
    """Trains teacher and students for each seed, and prints the differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=8)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = load_data("digits", {}, Path(), 0)
    rows = []
    for seed in range(options.seeds):
        rows.append(students(data, seed, options.epochs))
        print(f"seed {seed}: " + ", ".join(f"{n} {v:.2f}" for n, v in rows[-1].items()), flush=True)
    print(f"digits, {options.epochs} epochs, {options.seeds} seeds, test accuracy in per cent")
    mean = {name: statistics.mean(row[name] for row in rows) for name in rows[0]}
    print(f"  teacher {mean['teacher']:.2f}, student from labels alone {mean['none']:.2f}")
    for name in OPTIONS:
        apart = [row[name] - row["none"] for row in rows]
        spread = statistics.stdev(apart) / len(apart) ** 0.5 if len(apart) > 1 else 0.0
        verdict = "differs" if abs(mean[name] - mean["none"]) > 2 * spread else "no difference"
        print(
            f"  {name:<10} {mean[name]:.2f}, {statistics.mean(apart):+.2f} +- {spread:.2f} points: "
            f"{verdict}"
        )
    for name in OPTIONS:
        ratio = (100 - mean[name]) / max(100 - mean["none"], 1e-9)
        print(f"  RATIO errors with {name} / from labels alone: {ratio:.3f}")


if __name__ == "__main__":
    main()
