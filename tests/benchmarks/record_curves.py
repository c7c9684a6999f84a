"""Records `curves.npz`: real learning curves of 1,440 small networks, for `bench_racing.py`.

Each network learns the 8x8 digits of scikit-learn (897 to train, 900 to validate) under noise with
a deviation of five of sixteen grey levels. It trains for 27 epochs in batches of 32, and its
validation error is recorded after each. Latency is the time of one image in ONNX Runtime on one
thread: the smallest of the medians of five rounds, which measure the structures in turn. Size is
four bytes a weight. The forty networks of a structure are trained together (`torch.vmap`), which
takes minutes on one core.
"""

from __future__ import annotations

import argparse
import itertools
import math
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench_racing import EPOCHS, SPACE
from sklearn.datasets import load_digits
from torch import nn

FILE = Path(__file__).with_name("curves.npz")
BATCH, NOISE, TRAIN = 32, 5.0, 897
STRUCTURE = ("pool", "width", "depth")
RATES = {"sgd": (1e-3, 5e-3, 2.5e-2, 0.125, 0.6), "adam": (1e-4, 6e-4, 3e-3, 1.6e-2, 8e-2)}

Weights = dict[str, torch.Tensor]


def plans() -> list[dict[str, Any]]:
    """Returns every point of the space, in the order of the recorded rows."""
    return [dict(zip(SPACE, values, strict=True)) for values in itertools.product(*SPACE.values())]


class Drop(nn.Module):
    """Dropout with a tensor as its share, so that networks trained together may differ in it."""

    share = torch.tensor(0.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Drops inputs of any shape; in evaluation returns them unchanged."""
        if not self.training:
            return x
        return x * (torch.rand_like(x) >= self.share) / (1 - self.share)


def network(plan: Mapping[str, Any], drop: nn.Module) -> nn.Sequential:
    """Returns the network of a plan's structure, for inputs [B, 1, 8, 8]."""
    width, last = plan["width"], (8 // plan["pool"]) ** 2
    layers: list[nn.Module] = [nn.AvgPool2d(plan["pool"]), nn.Flatten()]
    for _ in range(plan["depth"]):
        layers += [nn.Linear(last, width), nn.ReLU(), drop]
        last = width
    return nn.Sequential(*layers, nn.Linear(last, 10))


def images() -> tuple[torch.Tensor, torch.Tensor]:
    """Returns noisy digits [N, 1, 8, 8] with mean 0 and deviation 1, and labels [N]."""
    digits = load_digits()
    draw = np.random.default_rng(0)
    order = draw.permutation(len(digits.target))
    x = digits.images[order] + NOISE * draw.standard_normal(digits.images.shape)
    x = (x - x.mean()) / x.std()
    return (
        torch.tensor(x[:, None], dtype=torch.float32),
        torch.tensor(digits.target[order], dtype=torch.int64),
    )


class Fleet:
    """Networks of one structure that are trained together.

    Args:
        fleet: Their plans, with the same structure.
    """

    def __init__(self, fleet: Sequence[Mapping[str, Any]]) -> None:
        torch.manual_seed(0)
        self._drop = Drop()
        self._net = network(fleet[0], self._drop)
        first = {name: w.detach() for name, w in self._net.named_parameters()}
        self._weights = {n: w.expand(len(fleet), *w.shape).clone() for n, w in first.items()}
        self._moments = [{n: torch.zeros_like(w) for n, w in self._weights.items()} for _ in "12"]
        self._step = 0
        self._rates = torch.tensor([RATES[p["optimizer"]][p["rate"]] for p in fleet])
        self._adam = torch.tensor([p["optimizer"] == "adam" for p in fleet])
        self._cosine = torch.tensor([p["schedule"] == "cosine" for p in fleet])
        self._shares = torch.tensor([p["dropout"] for p in fleet])
        self._gradients = torch.vmap(
            torch.func.grad(self._loss), in_dims=(0, 0, None, None), randomness="different"
        )

    def _loss(
        self, weights: Weights, share: torch.Tensor, x: torch.Tensor, y: torch.Tensor
    ) -> torch.Tensor:
        self._drop.share = share
        return nn.functional.cross_entropy(torch.func.functional_call(self._net, weights, x), y)

    def epoch(self, x: torch.Tensor, y: torch.Tensor) -> None:
        """Trains one epoch, by SGD with momentum 0.9 or by Adam, depending on the plan."""
        self._net.train()
        order = torch.randperm(TRAIN)
        for first in range(0, TRAIN - BATCH + 1, BATCH):
            rows = order[first : first + BATCH]
            gradients = self._gradients(self._weights, self._shares, x[rows], y[rows])
            share = 0.5 * (1 + math.cos(math.pi * self._step / (EPOCHS * (TRAIN // BATCH))))
            rates = torch.where(self._cosine, self._rates * share, self._rates)
            self._step += 1
            for name, gradient in gradients.items():
                shape = (-1, *[1] * (gradient.ndim - 1))
                self._update(name, gradient, rates.view(shape), self._adam.view(shape))

    def _update(
        self, name: str, gradient: torch.Tensor, rates: torch.Tensor, adam: torch.Tensor
    ) -> None:
        one, two = (moments[name] for moments in self._moments)
        one.mul_(0.9).add_(gradient * torch.where(adam, 0.1, 1.0))
        two.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        scale = (two / (1 - 0.999**self._step)).sqrt() + 1e-8
        step = torch.where(adam, one / (1 - 0.9**self._step) / scale, one)
        self._weights[name] -= rates * step

    def wrong(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Returns each network's number of wrong validation images [fleet]; all if it diverged."""
        self._net.eval()
        call = torch.vmap(lambda w: torch.func.functional_call(self._net, w, x[TRAIN:]))
        with torch.inference_mode():
            logits = call(self._weights)
        return (logits.argmax(2) != y[TRAIN:]).sum(1)


def latencies(structures: Sequence[Mapping[str, Any]], runs: int) -> list[float]:
    """Returns the milliseconds of one image for each structure."""
    import onnxruntime

    sessions = []
    with tempfile.TemporaryDirectory() as folder:
        for number, plan in enumerate(structures):
            file = Path(folder) / f"{number}.onnx"
            net = network(plan, nn.Identity()).eval()
            torch.onnx.export(net, (torch.zeros(1, 1, 8, 8),), str(file), dynamo=False)
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            sessions.append(onnxruntime.InferenceSession(str(file), options))
    image = np.zeros((1, 1, 8, 8), dtype=np.float32)
    medians: list[list[float]] = [[] for _ in sessions]
    for _ in range(5):
        for index, session in enumerate(sessions):
            name, taken = session.get_inputs()[0].name, []
            for _ in range(runs):
                begun = time.perf_counter()
                session.run(None, {name: image})
                taken.append(time.perf_counter() - begun)
            medians[index].append(1000 * statistics.median(taken))
    return [min(rounds) for rounds in medians]


def main() -> None:
    """Trains and measures all networks, and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000, help="runs of a network in a round")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    every = plans()
    x, y = images()
    shapes = list(dict.fromkeys(tuple(p[key] for key in STRUCTURE) for p in every))
    structures = [dict(zip(STRUCTURE, shape, strict=True)) for shape in shapes]
    latency = dict(zip(shapes, latencies(structures, options.runs), strict=True))
    wrong = np.zeros((len(every), EPOCHS), dtype=np.uint16)
    begun = time.monotonic()
    for shape in shapes:
        rows = [n for n, p in enumerate(every) if tuple(p[key] for key in STRUCTURE) == shape]
        fleet = Fleet([every[row] for row in rows])
        for epoch in range(EPOCHS):
            fleet.epoch(x, y)
            wrong[rows, epoch] = fleet.wrong(x, y).numpy()
        best = wrong[rows, -1].min() / (len(y) - TRAIN)
        print(
            f"{shape}: {latency[shape]:.4f} ms, least error {best:.3f}, "
            f"{time.monotonic() - begun:.0f} s",
            flush=True,
        )
    size = [4.0 * sum(w.numel() for w in network(p, nn.Identity()).parameters()) for p in every]
    np.savez_compressed(
        FILE,
        wrong=wrong,
        of=len(y) - TRAIN,
        latency=np.array([latency[tuple(p[key] for key in STRUCTURE)] for p in every]),
        size=np.array(size),
    )


if __name__ == "__main__":
    main()
