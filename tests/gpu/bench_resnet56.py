"""ResNet-56 for CIFAR-10 by a study: 2.1 times fewer multiply-adds, beside the published result.

Published at this cost: 93.53 % before and 93.77 % after, or 93.46 % without sparse training first
(Fang et al. 2023, https://arxiv.org/abs/2301.12900, finetuned on all 50,000 images). Here one study
file, resnet56.yaml, prunes the published weights of `published_weights.py`, finetunes them with
distillation from themselves, and deploys the result in float32 and in static int8. Accuracies are
those of the deployed files on the test images, which choose nothing, as there is one plan. A
difference is paired, image by image, with its 95 % interval. The validation part repeats training
images, so that all of them are trained on; it decides nothing.

With `--seconds` a run of one epoch comes first, and the study then gets the epochs that fit. On a
GPU, ten minutes in all:

    PYTHONPATH=tests/benchmarks .venv/bin/python tests/gpu/bench_resnet56.py \
        --data cifar10.npz --weights resnet56.safetensors --seconds 330

Without data and weights it prunes a small untrained network on random images, as a test.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from published_weights import CLASSES, SHAPE, normalized, published_resnet
from random_images import random_arrays
from safetensors.torch import save_file

import paretune
from paretune.objectives.pairing.differences import difference_interval
from paretune.spaces.architecture.checkpoint import load_checkpoint
from paretune.spaces.rebuild import initial_candidate

STUDY = Path(__file__).with_name("resnet56.yaml")

BATCH = 200


def first_of_each_class(images: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """Returns the rows of the first images of each class, ascending, [count]."""
    rows = [np.flatnonzero(labels == label)[: count // CLASSES] for label in range(CLASSES)]
    return np.sort(np.concatenate(rows))


def write_data(options: argparse.Namespace, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Writes cifar10.npz for the study; returns the test images [N, 32, 32, 3] and labels [N]."""
    arrays = random_arrays(256) if options.data is None else dict(np.load(options.data))
    parts: dict[str, np.ndarray] = {}
    for part, count in (("train", options.images), ("test", options.tests)):
        images, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
        if count is not None:
            rows = first_of_each_class(images, labels, count)
            images, labels = images[rows], labels[rows]
        parts |= {f"x_{part}": images, f"y_{part}": labels}
    few = first_of_each_class(parts["x_train"], parts["y_train"], 1000)
    parts |= {"x_val": parts["x_train"][few], "y_val": parts["y_train"][few]}
    np.savez(folder / "cifar10.npz", **parts)
    return parts["x_test"], parts["y_test"]


def write_weights(weights: Path | None, folder: Path) -> int:
    """Writes resnet56.safetensors with the names of Paretune's resnet; returns blocks a stage."""
    if weights is None:
        blocks = 1
        architecture = {"resnet": {"blocks": blocks, "shortcut": "padding"}}
        network = initial_candidate(architecture, SHAPE, CLASSES, seed=0).model
    else:
        blocks = len({k.split(".")[1] for k in load_checkpoint(weights) if k.startswith("layer1.")})
        network = published_resnet(weights).model
    save_file(network.state_dict(), folder / "resnet56.safetensors")
    return blocks


def run(folder: Path, name: str, epochs: int, settings: Sequence[str]) -> paretune.Study:
    """Runs the study under a name, in a folder of its own; its files are in `folder`."""
    changes = [f"space.finetune.epochs={epochs}", *settings]
    study = paretune.Study(shutil.copy(STUDY, folder / f"{name}.yaml"), set=changes)
    with paretune.without_waiting():
        study.run(progress=False)
    return study


def correct(trial: paretune.Trial, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns which test images the deployed file classifies correctly, bool [N]."""
    right = []
    for begin in range(0, len(images), BATCH):
        part = slice(begin, begin + BATCH)
        logits = np.asarray(trial.predict(normalized(images[part]).numpy()))
        right.append(logits.argmax(1) == labels[part])
    return np.concatenate(right)


def epochs_within(study: paretune.Study, seconds: float) -> int:
    """Returns the number of epochs that fit, after a study of one epoch."""
    spent = next(trial.record.seconds["finetune"] for trial in study.trials if trial.number)
    return max(1, int(seconds / spent))


def show(study: paretune.Study, images: np.ndarray, labels: np.ndarray) -> None:
    """Prints a row for the baseline and each trial, and the ratios."""
    base = study.baseline
    unpruned = correct(base, images, labels)
    print("| network | test accuracy | beside unpruned | MACs | size | latency |")
    print("|---|---|---|---|---|---|")
    trials = [base, *(trial for trial in study.trials if trial.number)]
    for trial in trials:
        if trial.state != "complete":
            raise SystemExit(f"{trial.plan.summary}: {trial.reason}")
        right = correct(trial, images, labels)
        low, high = difference_interval(
            int((right & ~unpruned).sum()), int((unpruned & ~right).sum()), len(labels)
        )
        value = right.mean() - unpruned.mean()
        names = ("macs", "size", "latency")
        less = {n: base.measurements[n].value / trial.measurements[n].value for n in names}
        print(
            f"| {trial.plan.summary} | {100 * right.mean():.2f} % | {100 * value:+.2f} "
            f"({100 * low:+.2f} to {100 * high:+.2f}) | "
            + " | ".join(f"{less[n]:.2f}x less" for n in names)
            + " |"
        )
        if trial.number:
            print(f"  RATIO accuracy, {trial.plan.summary} / unpruned: ", end="")
            print(f"{right.mean() / max(unpruned.mean(), 1e-9):.4f}", flush=True)


def main() -> None:
    """Parses the options, writes the files, runs the study and prints its rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="CIFAR-10 as .npz; default: random images")
    parser.add_argument("--weights", type=Path, help="resnet56.safetensors")
    parser.add_argument("--images", type=int, help="training images; default: all")
    parser.add_argument("--tests", type=int, help="test images; default: all")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--seconds", type=float, help="time of the training, in place of --epochs")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images, labels = write_data(options, folder)
        blocks = write_weights(options.weights, folder)
        settings = [f"baseline.architecture.resnet.blocks={blocks}", *options.set]
        epochs = options.epochs
        if options.seconds is not None:
            epochs = epochs_within(run(folder, "first", 1, settings), options.seconds)
        study = run(folder, "pruned", epochs, settings)
        device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "CPU"
        trained = options.images or "all"
        print(f"{trained} training images, {epochs} epochs, {len(labels)} test images, {device}")
        show(study, images, labels)
    print(f"{time.monotonic() - begun:.0f} s; torch {torch.__version__}")


if __name__ == "__main__":
    main()
