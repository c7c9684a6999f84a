"""Racing on recorded learning curves: epochs until a share of the best hypervolume is reached.

`curves.npz` (made by `record_curves.py`) holds the validation error after each of 27 epochs, the
latency and the size of 1,440 small networks. They are all points of a space of structure,
optimizer, rate, dropout and schedule. There are three objectives: the error, which costs epochs,
and latency and size, which are known without training. The hypervolume counts only networks that
are trained to the end, as a study delivers only these. It is measured to an error of 0.9 and to the
largest latency and size, as a share of that of all 1,440.

Sides, on the same curves with the same seeds:

- random: networks at random, each trained to the end;
- random, racing; thompson; thompson, racing: Paretune's proposer and race with these samplers,
  driven directly. The whole engine runs one study, and must train the same epochs in the same
  order;
- MOASHA: the scheduler of Syne Tune (package syne-tune, Apache-2.0), asked directly, with its
  defaults: the first rung is 1 epoch, and a third of the trials continue. A trial that it stops
  never continues. It runs in the Python that `--syne-tune` names, by default this one;
- MOASHA, ranks: the same with the order of trials turned into ranks. As of version 0.16
  `NonDominatedPriority` returns the numbers of the sorted trials where it is asked for ranks, so
  the choice of trials to stop hardly depends on how good they are.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

try:
    from paretune.search.database.rungs import Rungs, RungValues
    from paretune.search.front.pareto import hypervolume
    from paretune.search.racing.race import PauseCheck, Race
    from paretune.search.running.runner import Runner
    from paretune.search.sampling.proposer import Outcome, Proposer
    from paretune.search.study.racing_options import RacingParams
    from paretune.search.study.spec import StudySpec
    from paretune.search.study_file.loading import load_study
    from paretune.search.trial.open_study import axes_of
    from paretune.search.trial.trainer import Stop
except ImportError:  # another Python, with syne-tune, runs only its side
    Rungs = object  # type: ignore[assignment, misc]

HERE = Path(__file__).parent
EPOCHS = 27
SPACE: dict[str, tuple[Any, ...]] = {
    "pool": (1, 2),
    "width": (4, 8, 16, 32, 64, 128),
    "depth": (1, 2, 3),
    "optimizer": ("sgd", "adam"),
    "rate": (0, 1, 2, 3, 4),
    "dropout": (0.0, 0.3),
    "schedule": ("constant", "cosine"),
}
SAMPLERS = {
    "random, racing": ("random", True),
    "thompson": ("thompson", False),
    "thompson, racing": ("thompson", True),
}
"""Sides of Paretune: name -> (sampler, whether it races)."""

PEERS = ("MOASHA", "MOASHA, ranks")
"""Sides of Syne Tune."""

STUDY = """\
study: curves
evaluate: "bench_racing:evaluate"
cheap: "bench_racing:cheap"
space: SPACE
objectives: {error: {minimize: fraction, worst: 0.9}, latency: {minimize: ms, worst: LATENCY},
  size: {minimize: bytes, worst: SIZE}}
"""

Trained = tuple[int, int]
"""(row of the table, epoch) of an epoch that was trained."""


# -- the curves ----------------------------------------------------------------------------------


@functools.cache
def table() -> dict[str, np.ndarray]:
    """Returns error [1440, 27], latency in ms [1440] and size in bytes [1440]."""
    with np.load(HERE / "curves.npz") as curves:
        error = curves["wrong"] / float(curves["of"])
        return {"error": error, "latency": curves["latency"], "size": curves["size"]}


def row_of(plan: Mapping[str, Any]) -> int:
    """Returns the row of a plan; the last key varies fastest."""
    row = 0
    for key, values in SPACE.items():
        row = row * len(values) + values.index(plan[key])
    return row


LOG: list[Trained] = []
"""The epochs that studies of this process have trained, in order."""


def evaluate(plan: Mapping[str, Any], report: Any) -> dict[str, float]:
    """Trains a network epoch by epoch, as a trainer with checkpoints does."""
    row = row_of(plan)
    for epoch in range(report.done + 1, EPOCHS + 1):
        LOG.append((row, epoch))
        report(epoch, error=float(table()["error"][row, epoch - 1]))
    return {"error": float(table()["error"][row, -1])}


def cheap(plan: Mapping[str, Any]) -> dict[str, float]:
    """Returns the values that need no training."""
    row = row_of(plan)
    return {name: float(table()[name][row]) for name in ("latency", "size")}


# -- the sides -----------------------------------------------------------------------------------


def at_random(epochs: int, seed: int) -> list[Trained]:
    """Trains networks in random order, none twice."""
    order = np.random.default_rng(seed).permutation(len(table()["size"]))[: -(-epochs // EPOCHS)]
    return [(int(row), epoch) for row in order for epoch in range(1, EPOCHS + 1)]


def study(sampler: str, races: bool, seed: int, folder: Path, trials: int) -> StudySpec:
    """Writes and loads the study file."""
    space = {key: {"choice": list(values)} for key, values in SPACE.items()}
    text = STUDY.replace("SPACE", json.dumps(space))
    for name in ("latency", "size"):
        text = text.replace(name.upper(), f"{table()[name].max():.9g}")
    search: dict[str, Any] = {"sampler": sampler, "seed": seed, "trials": trials}
    search |= {"racing": {"steps": EPOCHS}} if races else {}
    file = folder / "curves.yaml"
    file.write_text(text + f"search: {json.dumps(search)}\n")
    return load_study(file)


class MemoryRungs(Rungs):
    """The rungs of a race, kept in memory instead of a database."""

    def __init__(self) -> None:
        super().__init__(sa.create_engine("sqlite://"))  # never connected
        self._rungs: dict[int, dict[int, RungValues]] = {}
        self._paused: dict[int, Any] = {}

    def enter(self, trial: int, step: int, values: Mapping[str, float] | None) -> None:
        self._rungs.setdefault(step, {})[trial] = RungValues(trial, values, False)

    def promote(self, trial: int, step: int) -> None:
        self._rungs[step][trial] = replace(self._rungs[step][trial], promoted=True)

    def all(self, step: int | None = None) -> dict[int, list[RungValues]]:
        rungs = {s: list(at.values()) for s, at in self._rungs.items()}
        return rungs if step is None else {step: rungs[step]}

    def promoted_rungs(self, trial: int) -> set[int]:
        return {s for s, at in self._rungs.items() if trial in at and at[trial].promoted}

    def wait(self, row: Any) -> None:
        self._paused[row["number"]] = row

    def paused_trials(self) -> list[Any]:
        return list(self._paused.values())

    def resume(self, trial: int, step: int, worker: str) -> bool:
        self.promote(trial, step)
        return self._paused.pop(trial, None) is not None


def direct_loop(sampler: str, races: bool, epochs: int, seed: int) -> list[Trained]:
    """Drives the engine's proposer and race until this many epochs are trained."""
    with tempfile.TemporaryDirectory(prefix="paretune-bench-") as folder:
        spec = study(sampler, races, seed, Path(folder), 100_000)
    proposer, rungs = Proposer(spec, cheap), MemoryRungs()
    race = Race(spec.racing or RacingParams(steps=EPOCHS), axes_of(spec), rungs)
    LOG.clear()
    number, seen = 0, set()
    while len(LOG) < epochs:
        row = race.resume_next(rungs.paused_trials(), "me") if races else None
        if row is None:
            number += 1
            proposal = proposer.ask(number)
            row = {"number": number, "choices": proposal.choices, "done": 0}
            if row_of(proposal.choices) in seen:
                proposer.tell(number, Outcome("infeasible"))  # no network is trained twice
                continue
            seen.add(row_of(proposal.choices))
            row["proposal"] = proposal.to_json()
        report = Reporter(
            row["done"], race.pause_check(row["number"], cheap(row["choices"])) if races else None
        )
        try:
            outcome = Outcome("complete", values_of(row, evaluate(row["choices"], report)["error"]))
        except Stop:
            outcome = Outcome("paused", values_of(row, report.last))
            rungs.wait({**row, "done": report.done})
        if not proposer.tell(row["number"], outcome):
            proposer.replay(row["proposal"], outcome)
    return LOG[:epochs]


def values_of(row: Mapping[str, Any], error: float) -> list[float]:
    """Returns the values of a trial's objectives, in order."""
    return [error, *cheap(row["choices"]).values()]


class Reporter:
    """Receives the reports of `evaluate`.

    Args:
        done: Epochs trained before.
        pause_check: Called at each epoch; returns why to pause, or None.
    """

    def __init__(self, done: int, pause_check: PauseCheck | None) -> None:
        self.done = done
        self.last = 1.0
        self._pause_check = pause_check

    def __call__(self, step: int, error: float) -> None:
        """Keeps the error; ends the training if the race pauses the trial."""
        self.done, self.last = step, error
        if self._pause_check and self._pause_check(step, {"error": error}) is not None:
            raise Stop


def engine(sampler: str, trials: int, folder: Path) -> list[Trained]:
    """Runs the same by the whole engine, with its database."""
    log: list[Trained] = importlib.import_module("bench_racing").LOG  # as the engine imports it
    log.clear()
    Runner(study(sampler, True, 0, folder, trials), lambda event: None).run()
    return list(log)


def moasha(name: str, epochs: int, seeds: int) -> list[list[Trained]]:
    """Asks Syne Tune's scheduler as its simulator does, one trial after the other."""
    from syne_tune.backend.trial_status import Trial
    from syne_tune.config_space import choice
    from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA
    from syne_tune.optimizer.schedulers.multiobjective.multiobjective_priority import (
        NonDominatedPriority,
    )

    class Ranks(NonDominatedPriority):  # type: ignore[misc]
        def priority_unsafe(self, objectives: np.ndarray) -> np.ndarray:
            return np.argsort(super().priority_unsafe(objectives))

    runs = []
    for seed in range(seeds):
        np.random.seed(seed)  # its domains draw from this generator
        scheduler = MOASHA(
            {key: choice(list(values)) for key, values in SPACE.items()},
            metrics=["error", "latency", "size"],
            max_t=EPOCHS,
            multiobjective_priority=Ranks() if name.endswith("ranks") else None,
            random_seed=seed,
        )
        done: list[Trained] = []
        seen: set[int] = set()
        number = 0
        while len(done) < epochs:
            suggestion = scheduler.suggest()
            row = row_of(suggestion.config)
            if row in seen:
                continue  # no network is trained twice
            seen.add(row)
            trial = Trial(number, suggestion.config, None)
            number += 1
            scheduler.on_trial_add(trial)
            for epoch in range(1, EPOCHS + 1):
                done.append((row, epoch))
                result = {n: float(table()[n][row]) for n in ("latency", "size")}
                result |= {"error": float(table()["error"][row, epoch - 1])}
                result |= {"training_iteration": epoch}
                if scheduler.on_trial_result(trial, result) == "STOP":
                    break
        runs.append(done[:epochs])
    return runs


def moasha_in(python: str, name: str, epochs: int, seeds: int) -> list[list[Trained]]:
    """Runs `moasha` in another Python."""
    command = [python, __file__, "--only", name, "--epochs", str(epochs), "--seeds", str(seeds)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [[(row, epoch) for row, epoch in run] for run in json.loads(output)]


# -- what is printed -----------------------------------------------------------------------------


def growth(trained: list[Trained]) -> Iterator[tuple[int, float]]:
    """Yields (epochs, share of the whole hypervolume) after each network that extends the front."""
    front = TrainedFront()
    for count, (row, epoch) in enumerate(trained, 1):
        if epoch == EPOCHS and front.add(row):
            yield count, front.share


class TrainedFront:
    """The front of the networks that are trained to the end."""

    def __init__(self) -> None:
        self._losses: list[list[float]] = []

    def add(self, row: int) -> bool:
        """Adds a network; returns False if another one is at least as good in everything."""
        new = losses()[row]
        if any((new >= old).all() for old in np.array(self._losses).reshape(-1, 3)):
            return False
        self._losses.append(new.tolist())
        return True

    @property
    def share(self) -> float:
        """Share of the hypervolume of all networks."""
        return volume(np.array(self._losses)) / whole()


@functools.cache
def losses() -> np.ndarray:
    """Returns final error, latency and size [1440, 3]."""
    values = table()
    return np.stack([values["error"][:, -1], values["latency"], values["size"]], axis=1)


def volume(points: np.ndarray) -> float:
    """Returns the hypervolume to an error of 0.9, the largest latency and the largest size."""
    return hypervolume(points, np.array([0.9, *losses()[:, 1:].max(axis=0)]))


@functools.cache
def whole() -> float:
    """Returns the hypervolume of all networks."""
    return volume(losses())


def reached(trained: list[Trained], shares: list[float], epochs: int) -> list[float]:
    """Returns the epochs until each share is reached; all epochs if it is not."""
    steps = list(growth(trained))
    return [next((float(n) for n, share in steps if share >= s), float(epochs)) for s in shares]


def main() -> None:
    """Compares the sides."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=6000, help="epochs of a run")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.9, 0.95, 0.98])
    sides = ["random", *SAMPLERS, *PEERS]
    parser.add_argument(
        "--sides",
        nargs="+",
        metavar="SIDE",
        default=sides,
        choices=sides,
        help=f"by default all: {'; '.join(sides)}",
    )
    parser.add_argument("--syne-tune", default=sys.executable, help="a Python that has syne-tune")
    parser.add_argument("--trials", type=int, default=100, help="trials of the whole engine")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    epochs, seeds = options.epochs, options.seeds
    if options.only:
        print(json.dumps(moasha(options.only, epochs, seeds)))
        return
    sys.path.insert(0, str(HERE))
    print(f"epochs to {', '.join(f'{s:.0%}' for s in options.shares)} of the best hypervolume")
    medians = {}
    for side in options.sides:
        begun = time.monotonic()
        runs = run(side, epochs, seeds, options.syne_tune)
        if runs is None:
            print(f"  {side}: there is no syne-tune in {options.syne_tune}")
            continue
        counts = np.array([reached(one, options.shares, epochs) for one in runs])
        medians[side] = np.median(counts, axis=0)
        full = statistics.fmean(sum(epoch == EPOCHS for _, epoch in one) for one in runs)
        cells = [f"{np.median(c):6.0f} ({c.min():.0f} to {c.max():.0f})" for c in counts.T]
        print(
            f"  {side:<16}{'  '.join(cells)}  {full:.0f} trained to the end, "
            f"{(time.monotonic() - begun) / seeds:.1f} s a run",
            flush=True,
        )
    check(options.trials)
    for side in [name for name in SAMPLERS if name in medians and name.endswith("racing")]:
        for peer in [name for name in medians if name != side]:
            ratio = medians[peer] / medians[side]
            text = ", ".join(f"{one:.2f}" for one in ratio)
            print(f"  RATIO {peer} / {side}, median epochs: {text}")


def check(trials: int) -> None:
    """Checks that the whole engine trains the same epochs as the direct loop.

    Raises:
        SystemExit: They differ.
    """
    with tempfile.TemporaryDirectory(prefix="paretune-bench-") as folder:
        by_engine = engine("random", trials, Path(folder))
    direct = direct_loop("random", True, len(by_engine), 0)
    pairs = zip(by_engine, direct, strict=True)
    first = next((n for n, (a, b) in enumerate(pairs) if a != b), None)
    if first is not None:
        raise SystemExit(f"the engine differs from the direct loop from epoch {first} on")
    print(f"  the whole engine, {trials} trials: the same {len(direct)} epochs in the same order")


def run(side: str, epochs: int, seeds: int, python: str) -> list[list[Trained]] | None:
    """Returns the epochs that a side trains with each seed; None if it cannot run."""
    if side in PEERS:
        there = subprocess.run([python, "-c", "import syne_tune"], capture_output=True, check=False)
        return None if there.returncode else moasha_in(python, side, epochs, seeds)
    one: Callable[[int], list[Trained]] = functools.partial(at_random, epochs)
    if side in SAMPLERS:
        one = functools.partial(direct_loop, *SAMPLERS[side], epochs)
    return [one(seed) for seed in range(seeds)]


if __name__ == "__main__":
    main()
