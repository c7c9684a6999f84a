"""Engine overhead: a trial's cost besides its stages, beside plain Optuna.

Paretune's side is the real Runner on the quickstart study and a SQLite file: sampler, plan, stage
keys and cache, every row of our tables and of Optuna's mirror, front and hypervolume. Only what a
stage does is replaced (training, export, measuring), by figures computed from the plan. The peer is
Optuna with its TPESampler and its SQLite storage, both with their defaults, over the same space and
figures. Each trial of the one is followed by a trial of the other, in one process.

Target: at most half of plain Optuna's time per trial; and a flat time per trial and less than 1 GB
up to 5,000 trials (`--trials 5000`, where Paretune runs alone).
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import optuna
import torch

from objectives.base import Measurement
from objectives.runtimes.base import Artifact
from search.chain import Link
from search.events import Event, RunEnded, RunStarted, TrialEnded
from search.measuring import Gauge
from search.pipeline import Pipeline
from search.plan import Plan, Stage, make_plan
from search.runner import Runner
from search.spec import StudySpec
from search.study_file.loading import load_study
from search.watch import Watch
from spaces.base import Candidate
from spaces.domains import Choice, Domain, Float, Int, assign, parameters

QUICKSTART = Path(__file__).parents[2] / "studies" / "quickstart.yaml"
BEARABLE = 1000
"""Trials up to which plain Optuna is run beside."""


# -- a candidate's figures, in no time -----------------------------------------------------------


def figures(plan: Plan) -> dict[str, float]:
    """Accuracy, latency and size of a plan, shaped like the ones of real candidates."""
    stages = {stage.kind: stage.params for stage in plan.stages}
    [(family, options)] = stages["pretrain"]["architecture"].items()
    width = options["width"] * (0.6 if family == "separable_cnn" else 1.0)
    ratio = stages["prune"]["pruning"]["structured"]["ratio"] if "prune" in stages else 0.0
    channels = max(8, round(64 * width * (1 - ratio) / 8) * 8) / 64  # in steps of 8, as pruned
    mode = next(iter(stages["quantize"]["quantization"])) if "quantize" in stages else "none"
    speed = {"none": 1.0, "dynamic": 0.9, "static": 0.4}[mode]
    luck = int(hashlib.sha256(plan.key.encode()).hexdigest()[:8], 16) / 2**32
    lost = 0.04 * (1 - channels) ** 2 + (0.01 if mode != "none" else 0.0) + 0.02 * luck
    right = round(448 * (0.99 - lost))  # of 448 images: accuracy comes in steps
    return {
        "accuracy": right / 448,
        "latency": 0.05 + 1.2 * channels**1.5 * speed * (0.98 + 0.04 * luck),
        "size": float(round(8.7e6 * channels**2 * (1.0 if mode == "none" else 0.26))),
        "parameters": float(round(2.2e6 * channels**2)),
        "macs": float(round(2.4e7 * channels**2)),
    }


class NoWork(Pipeline):
    """The real pipeline whose stages make a network of one weight, and whose export writes none."""

    plan: Plan

    def candidate(self, plan: Plan, watch: Watch) -> Candidate:
        """As the pipeline builds it: stage keys, locks, the cache's files and rows."""
        NoWork.plan = plan
        return super().candidate(plan, watch)

    def _apply(
        self, link: Link, candidate: Candidate | None, watch: Watch, resume: Any = None
    ) -> Candidate:
        if link.stage.kind != "prune":
            self._save_curve(link.digest, curve(link.stage))
        return Candidate(one_weight(), (1, 8, 8), 10)

    def deploy(
        self, plan: Plan, candidate: Candidate, path: Path, watch: Watch, *_: Any
    ) -> Artifact:
        """An artifact without a file."""
        with watch.stage("deploy"):
            return Artifact(path, "onnxruntime", plan.key, 1, {"opset": 17, "quantization": {}})


def one_weight(*_: Any) -> torch.nn.Module:
    """The smallest network."""
    return torch.nn.Linear(1, 1)


def curve(stage: Stage) -> list[dict[str, Any]]:
    """A learning curve as long as the stage's recipe."""
    epochs = stage.params["recipe"]["epochs"]
    return [
        {"epoch": epoch + 1, "loss": 1.0, "accuracy": 0.5, "seconds": 1.0}
        for epoch in range(epochs)
    ]


def measured(gauge: Gauge, *_: Any) -> list[Measurement]:
    """The figures of the plan that was built last, as the gauge gives them."""
    found = figures(NoWork.plan)
    units = {"accuracy": "fraction", "latency": "ms", "size": "bytes"}
    conditions = {f"condition_{i}": 1.0 for i in range(16)}
    return [
        Measurement(n, found[n], units.get(n, n), "lower", found[n], found[n], 100, conditions)
        for n, _ in gauge.quantities
    ]


# -- the two sides -------------------------------------------------------------------------------


def run_paretune(spec: StudySpec, report: Callable[[Event], None]) -> None:
    """The whole study, with stages that take no time."""
    with (
        mock.patch("search.study.Pipeline", NoWork),
        mock.patch("search.pipeline.rebuild", one_weight),
        mock.patch.object(Gauge, "measure", measured),
        mock.patch.object(Gauge, "test", measured),
    ):
        Runner(spec, report).run()


class PlainOptuna:
    """The same search as one writes it with Optuna alone."""

    def __init__(self, spec: StudySpec, folder: Path) -> None:
        self._spec = spec
        self._study = optuna.create_study(
            storage=f"sqlite:///{folder / 'optuna.db'}",
            sampler=optuna.samplers.TPESampler(seed=spec.seed),
            directions=[objective.direction for objective in spec.objectives],
        )

    def one(self) -> None:
        """One trial."""
        self._study.optimize(self._objective, n_trials=1)

    def _objective(self, trial: optuna.Trial) -> list[float]:
        def choose(name: str, domain: Domain) -> Any:
            match domain:
                case Float(low, high, log, step):
                    return trial.suggest_float(name, low, high, log=log, step=step)
                case Int(low, high, log, step):
                    return trial.suggest_int(name, low, high, log=log, step=step)
                case Choice():
                    return trial.suggest_categorical(name, domain.labels)

        found = figures(make_plan(assign(self._spec.space, choose), self._spec.runtime))
        return [found[objective.name] for objective in self._spec.objectives]


class Clock:
    """A reporter that notes the time of each trial, and lets a peer go after each.

    Processor time, too: beside other work on the machine it tells growth from waiting.

    Args:
        peer: One trial of the other side, or None.
    """

    def __init__(self, peer: Callable[[], None] | None) -> None:
        self._peer = peer
        self._begun = 0.0
        self._begun_working = 0.0
        self.ours: list[float] = []
        self.working: list[float] = []
        self.theirs: list[float] = []
        self.theirs_working: list[float] = []
        self.end = 0.0
        self.front: Mapping[int, Any] = {}

    def __call__(self, event: Event) -> None:
        """Takes an event of the runner in."""
        now, worked = time.perf_counter(), time.process_time()
        match event:
            case TrialEnded(trial=number, front=front) if number > 0:
                self.ours.append(now - self._begun)
                self.working.append(worked - self._begun_working)
                self.front = front
                if self._peer is not None:
                    begun, begun_working = time.perf_counter(), time.process_time()
                    self._peer()
                    self.theirs.append(time.perf_counter() - begun)
                    self.theirs_working.append(time.process_time() - begun_working)
            case TrialEnded() | RunStarted():
                pass
            case RunEnded():
                self.end = now - self._begun  # the test part, once for all trials
                return
            case _:
                return
        self._begun, self._begun_working = time.perf_counter(), time.process_time()


def quickstart(folder: Path, trials: int) -> StudySpec:
    """The quickstart study in a folder of its own."""
    spec = load_study(QUICKSTART, storage=f"sqlite:///{folder / 'study.db'}", trials=trials)
    return replace(spec, folder=folder / "study", siblings=False)


# -- what is printed -----------------------------------------------------------------------------


def compare(trials: int, peer: bool) -> None:
    """Runs one study, with the peer beside it or alone, and prints the figures."""
    with tempfile.TemporaryDirectory(prefix="paretune-bench-") as name:
        folder = Path(name)
        spec = quickstart(folder, trials)
        plain = PlainOptuna(spec, folder) if peer else None
        clock = Clock(plain.one if plain else None)
        before = peak_memory()
        run_paretune(spec, clock)
    size = f"{sum(1 for _ in parameters(spec.space))} parameters, {len(spec.objectives)} objectives"
    front = f"front of {len(clock.front)}"
    print(f"engine, {trials} trials ({len(clock.ours)} proposals, {size}, {front})")
    _line("Paretune", clock.ours)
    _line("Paretune, processor time", clock.working)
    print(f"  Paretune, end of the run   {1000 * clock.end:8.1f} ms once")
    if clock.theirs:
        _line("plain Optuna", clock.theirs)
        _line("plain Optuna, processor", clock.theirs_working)
        ratio = (sum(clock.ours) + clock.end) / sum(clock.theirs)
        print(f"  RATIO Paretune / plain Optuna, time per trial: {ratio:.2f} (target: 0.5)")
        ratio = sum(clock.working) / sum(clock.theirs_working)
        print(f"  RATIO Paretune / plain Optuna, processor time: {ratio:.2f}")
    else:
        share = max(1, min(1000, len(clock.ours) // 2))
        for name, each in (("time", clock.ours), ("processor time", clock.working)):
            ratio = statistics.fmean(each[-share:]) / statistics.fmean(each[:share])
            print(f"  RATIO last {share} trials / first {share}, {name}: {ratio:.2f} (flat: 1)")
        print(f"  peak memory of this process: {peak_memory():.0f} MB (target: under 1024)")
        print(f"    before the run             {before:.0f} MB")


def peak_memory() -> float:
    """The most that this process has held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _line(name: str, seconds: list[float]) -> None:
    """Mean time per trial, of all and of each thousand."""
    print(f"  {name:26} {1000 * statistics.fmean(seconds):8.1f} ms a trial")
    for first in range(0, len(seconds), 1000):
        part = seconds[first : first + 1000]
        if len(seconds) > 1000:
            at = f"{first + 1} to {first + len(part)}"
            print(f"    {at:24} {1000 * statistics.fmean(part):8.1f} ms a trial")


def main() -> None:
    """Compares at each number of trials."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--alone", action="store_true", help="without the peer at any size")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for trials in options.trials:
        compare(trials, peer=trials <= BEARABLE and not options.alone)


if __name__ == "__main__":
    main()
