"""The whole search: time and trainings to the final hypervolume of a plain Optuna script.

The space is studies/benchmark.yaml. The plain script is written with Optuna alone. It takes one of
Optuna's samplers, and in each trial it trains, prunes, quantizes, deploys and measures by the same
code, always from the start (the teacher is trained once). The side `paretune` is the real Runner.
Each other side changes one of its parts, to show what that part is worth.

All sides of a seed run in turn, a trial each, in one process. The side that has used least time is
next, so a slow minute of the machine affects all sides. Time is processor time of a side's thread
(each side works in one), or wall time with `--clock wall`. The hypervolume is that of
(error in [0, 0.9], latency ratio in [0, 1.2], size ratio in [0, 1.2]) to the baseline, as a share
of the box, on validation data. Latencies of all sides are measured in the same way and time.

A proposal of `plain gp` takes 0.4 to 1.5 s, which counts as time of that side.

The side `elastic` (in addition by --elastic) searches subnets of the baseline instead of the
space's architectures: one elastic training, then as `paretune`. --elastic-options changes it.

Aim: 95 % of the plain script's final hypervolume in a fifth of its time; never below it at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest import mock

import optuna
import torch
from plain_optuna import suggested

from paretune.objectives.base import Measurement, Subject
from paretune.objectives.runtimes.base import Artifact
from paretune.search.building.pipeline import Pipeline
from paretune.search.building.stage_cache import StageCache
from paretune.search.building.watch import StageError, Watch
from paretune.search.data import load_data
from paretune.search.files import write_atomically
from paretune.search.front.pareto import Front, hypervolume, to_losses
from paretune.search.measuring.gauge import (
    Gauge,
    values_by_name,
    values_of,
    violations_of,
)
from paretune.search.measuring.structural_constraints import SCREEN
from paretune.search.running.runner import Runner
from paretune.search.study.deployment import deployments
from paretune.search.study.plan import Plan, baseline_plan, make_plan
from paretune.search.study.racing_options import RacingParams
from paretune.search.study.records import Axis
from paretune.search.study.spec import Selection, StudySpec
from paretune.search.study_file.document import value_of
from paretune.search.study_file.loading import load_source, load_study
from paretune.search.trial.events import Event, TrialEnded, TrialPaused
from paretune.spaces.domains import assign

STUDY = Path(__file__).parents[2] / "studies" / "benchmark.yaml"

SHARES = (0.90, 0.95, 0.99, 1.0)
"""Shares of the plain script's final hypervolume."""


# -- sides that take turns -----------------------------------------------------------------------


class Turns:
    """Lets one side's thread work at a time: the side that has used least time.

    Args:
        clock: Measures the time of the calling thread, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._condition = threading.Condition()
        self._used: dict[str, float] = {}
        self._active: str | None = None

    def join(self, name: str) -> None:
        """Adds a side, before its thread starts."""
        self._used[name] = 0.0

    def begin(self, name: str) -> None:
        """Waits for the turn of this side."""
        with self._condition:
            self._condition.wait_for(lambda: self._next() == name)
            self._active = name
            self._begun = self._clock()

    def used(self, name: str) -> float:
        """Returns the seconds of the active side, its present turn included."""
        return self._used[name] + self._clock() - self._begun

    def end(self, name: str, last: bool = False) -> None:
        """Ends the turn of the active side; `last` if the side is done."""
        with self._condition:
            self._used[name] = self.used(name)
            self._active = None
            if last:
                del self._used[name]
            self._condition.notify_all()

    def _next(self) -> str | None:
        if self._active is not None or not self._used:
            return None
        return min(self._used, key=lambda name: self._used[name])


@dataclass
class History:
    """The hypervolume history of a side.

    Attributes:
        points: (seconds, trainings, hypervolume) after each trial.
    """

    points: list[tuple[float, int, float]] = field(default_factory=list)

    @property
    def final(self) -> float:
        """Hypervolume at the end."""
        return self.points[-1][2]

    def reached(self, target: float) -> tuple[float, int] | None:
        """Returns seconds and trainings to a hypervolume; None if it was not reached."""
        for seconds, trainings, volume in self.points:
            if volume >= target:
                return seconds, trainings
        return None

    def mean_until(self, end: float) -> float:
        """Returns the mean hypervolume over the first `end` seconds."""
        area, last_time, last = 0.0, 0.0, 0.0
        for seconds, _, volume in self.points:
            if seconds >= end:
                break
            area += last * (seconds - last_time)
            last_time, last = seconds, volume
        return (area + last * (end - last_time)) / end


class Volume:
    """The hypervolume of all trials so far.

    Args:
        axes: The objectives.
        baseline: Objective -> value of the baseline.
        classes: Number of classes of the data.
    """

    def __init__(self, axes: list[Axis], baseline: Mapping[str, float], classes: int) -> None:
        self._axes, self._baseline, self._classes = axes, baseline, classes
        self._front = Front()
        self._count = 0

    def add(self, values: Mapping[str, float]) -> float:
        """Adds a trial; returns the hypervolume as a share of the box."""
        losses, reference = to_losses(values, self._axes, self._baseline, self._classes)
        self._count += 1
        self._front.add(self._count, losses)
        return float(hypervolume(self._front.losses, reference) / reference.prod())


# -- the plain script ----------------------------------------------------------------------------


class NoCache(StageCache):
    """A stage cache that keeps nothing, as in a plain script."""

    def __init__(self) -> None:
        super().__init__(Path(), None)  # type: ignore[arg-type]

    def lock(self, key: str) -> Any:
        """Returns a lock that does nothing."""
        return contextlib.nullcontext()

    def has(self, key: str) -> bool:
        """Returns False."""
        return False

    def load(self, key: str, rebuild: Callable[..., Any]) -> None:
        """Returns None: nothing is stored."""

    def save(self, *_: Any) -> None:
        """Does nothing."""

    def snapshot(self, key: str, most: int) -> None:
        """Returns None: nothing is stored."""

    def keep(self, *_: Any) -> None:
        """Does nothing."""

    def memo(self, key: str, make: Callable[[], Any]) -> Any:
        """Returns a new value each time."""
        return make()

    def tensor(self, key: str, make: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Returns a new tensor each time."""
        return make()


Report = Callable[[Mapping[str, float] | None], None]
"""Takes the values of a trial that has ended; None for a trial without values."""


class PlainScript:
    """A search written with Optuna alone.

    Args:
        spec: The study.
        sampler: A sampler of Optuna.
        folder: Folder of the artifacts.
    """

    def __init__(self, spec: StudySpec, sampler: optuna.samplers.BaseSampler, folder: Path) -> None:
        self._spec, self._folder = spec, folder
        self._data = load_data(spec.data.name, spec.data.params, spec.file.parent, spec.seed)
        self._baseline = baseline_plan(spec.baseline, spec.runtime)
        self._pipeline = Pipeline(
            self._data,
            NoCache(),
            self._baseline,
            spec.seed,
            spec.device,
            folder=spec.file.parent,
        )
        self._gauge = Gauge.of(spec)
        self._study = optuna.create_study(
            storage=f"sqlite:///{folder / 'optuna.db'}",
            sampler=sampler,
            directions=[objective.direction for objective in spec.objectives],
        )
        self._reference: tuple[Artifact | None, Mapping[str, Measurement]] = (None, {})

    def run(self, report: Report) -> None:
        """Runs the baseline and all trials."""
        artifact, measured = self._measured(self._baseline, "baseline")
        self._reference = (artifact, {m.name: m for m in measured})
        report(values_of(measured, self._spec.objectives))

        def objective(trial: optuna.Trial) -> list[float]:
            plan = make_plan(
                assign(self._spec.space, partial(suggested, trial)), self._spec.runtime
            )
            try:
                _, measured = self._measured(plan, f"{trial.number}")
            except StageError as error:
                report(None)
                raise optuna.TrialPruned from error
            values = values_of(measured, self._spec.objectives)
            report(values if self._feasible(trial, measured) else None)
            return list(values.values())

        self._study.optimize(objective, n_trials=self._spec.trials)

    def _feasible(self, trial: optuna.Trial, measured: Sequence[Measurement]) -> bool:
        """Returns whether all constraints hold; stores the violations for the sampler."""
        violations = violations_of(
            self._spec.constraints,
            {m.name: m.value for m in measured},
            values_by_name(self._reference[1]),
        )
        for text, violation in violations.items():
            trial.set_constraint(text, violation)
        return all(violation <= 0 for violation in violations.values())

    def _measured(self, plan: Plan, name: str) -> tuple[Artifact, Sequence[Measurement]]:
        """Builds, deploys and measures a plan; returns its artifact and measurements."""
        watch = Watch()
        candidate = self._pipeline.candidate(plan, watch)
        [deployment] = deployments(plan)
        path = self._folder / f"{name}{deployment.suffix}"
        artifact = self._pipeline.deploy(plan, candidate, path, watch)
        subject = Subject(
            *(artifact, deployment.runtime, deployment.options, candidate.model, self._data),
            *self._reference,
        )
        return artifact, self._gauge.measure(subject)


# -- the sides -----------------------------------------------------------------------------------


class Recorder:
    """Records the history of a side, and ends the side's turn after each trial.

    Args:
        name: Name of the side.
        turns: Gives the sides their turns.
        spec: The study.
        classes: Number of classes of the data.
        recorded: Called after each trial.
    """

    def __init__(
        self, name: str, turns: Turns, spec: StudySpec, classes: int, recorded: Callable[[], None]
    ) -> None:
        better = {"minimize": "lower", "maximize": "higher"}
        self._axes = [Axis(o.name, o.unit, better[o.direction]) for o in spec.objectives]  # type: ignore[arg-type]
        self._name, self._turns, self._classes, self._recorded = name, turns, classes, recorded
        self._volume: Volume | None = None
        self._last, self._trainings = 0.0, 0
        self.history = History()

    def trial_ended(self, values: Mapping[str, float] | None, trained: bool = True) -> None:
        """Records a trial.

        Args:
            values: Objective -> value; None for a trial without values.
            trained: Whether the trial trained a network.
        """
        if self._volume is None:
            assert values is not None, "the baseline comes first"
            self._volume = Volume(self._axes, values, self._classes)
        self._trainings += trained
        if values is not None:
            self._last = self._volume.add(values)
        used = self._turns.used(self._name)
        self.history.points.append((used, self._trainings, self._last))
        self._recorded()
        self._turns.end(self._name)
        self._turns.begin(self._name)

    def event(self, event: Event) -> None:
        """Records an event of the Runner."""
        if isinstance(event, TrialEnded):
            result = event.result
            new = result.repeat_of is None and event.variant_of is None
            trained = new and (result.reason or {}).get("stage") != SCREEN
            has_values = event.trial == 0 or result.feasible
            self.trial_ended(result.values if has_values else None, trained)
        elif isinstance(event, TrialPaused):
            self.trial_ended(None, trained=False)


Side = Callable[[StudySpec, Path, Recorder], None]
"""Runs a study in a folder and records it."""


def plain(sampler: str) -> Side:
    """Returns the side of a plain script with a sampler of Optuna."""

    def run(spec: StudySpec, folder: Path, recorder: Recorder) -> None:
        make = {
            "tpe": optuna.samplers.TPESampler,
            "nsga2": optuna.samplers.NSGAIISampler,
            # Parameters of branches are drawn at random, without a warning for each.
            "gp": partial(optuna.samplers.GPSampler, warn_independent_sampling=False),
        }[sampler]
        PlainScript(spec, make(seed=spec.seed), folder).run(recorder.trial_ended)

    return run


def paretune(
    sampler: str = "auto",
    options: Mapping[str, Any] = MappingProxyType({}),
    cached: bool = True,
    more: int = 1,
    **changes: Any,
) -> Side:
    """Returns the side of the real engine.

    Args:
        sampler: The sampler.
        options: Its options.
        cached: Whether trained stages are kept.
        more: Multiplies the number of trials.
        changes: Other fields of the study to change.
    """

    def run(spec: StudySpec, folder: Path, recorder: Recorder) -> None:
        changed = replace(
            spec,
            folder=folder,
            storage=f"sqlite:///{folder / 'study.db'}",
            sampler=Selection(sampler, options),
            **{**changes, "trials": more * (spec.trials or 0)},
        )
        with contextlib.nullcontext() if cached else without_cache():
            Runner(changed, recorder.event).run()

    return run


def without_cache() -> AbstractContextManager[Any]:
    """Makes studies that this thread opens keep no stages; other sides keep their caches."""
    thread = threading.get_ident()

    def make(*arguments: Any) -> StageCache:
        return NoCache() if threading.get_ident() == thread else StageCache(*arguments)

    return mock.patch("paretune.search.trial.stage_study.StageCache", make)


ELASTIC = (
    "{of: baseline, width: [0.25, 1], epochs: 6, batch_size: 64, optimizer: {adam: {lr: 1e-3}}}"
)
"""Options of the elastic architecture of the sides `elastic`: half the baseline's epochs."""


def with_elastic(spec: StudySpec, options: str) -> StudySpec:
    """Returns a study whose architectures are the subnets of an elastic network.

    The subnets have learned together, so they may be finetuned for fewer epochs, or not at all.

    Args:
        spec: The benchmark's study.
        options: Options of `elastic`, in YAML.
    """
    finetune = dict(spec.source["space"]["finetune"])
    finetune["epochs"] = {"choice": [0, 1, finetune["epochs"]]}
    space = {
        **spec.source["space"],
        "architecture": {"elastic": value_of(options, "--elastic-options")},
        "finetune": finetune,
    }
    space.pop("pretrain")
    changed = load_source({**spec.source, "space": space}, spec.file)
    return replace(changed, trials=spec.trials)


def elastic(options: str, more: int = 1) -> Side:
    """Returns the side of the real engine on subnets of one elastic training."""

    def run(spec: StudySpec, folder: Path, recorder: Recorder) -> None:
        paretune(more=more)(with_elastic(spec, options), folder, recorder)

    return run


SIDES: dict[str, Side] = {
    "plain tpe": plain("tpe"),
    "plain nsga2": plain("nsga2"),
    "plain gp": plain("gp"),
    "paretune": paretune(more=2),
    "paretune, as many trials": paretune(),
    "racing": paretune(more=3, racing=RacingParams()),
    "racing eta 2": paretune(more=2, racing=RacingParams(eta=2)),
    "no format variants": paretune(more=2, format_variants=False),
    "all format variants": paretune(more=2, format_variants=True),
    "not cost aware": paretune(options={"cost_aware": False}, more=2),
    "by trees": paretune(options={"surrogate": "random_forest"}, more=2),
    "all timed": paretune(more=2, reuse_timings=False),
    "no screening": paretune(more=2, screening=False),
    "no cache": paretune(cached=False, more=2, format_variants=False),
    "sampler tpe": paretune("tpe", more=2, format_variants=True),
    "sampler thompson": paretune("thompson", more=2),
    "sampler random": paretune("random", more=2, format_variants=True),
    "elastic": elastic(ELASTIC, more=2),
    "elastic, as many trials": elastic(ELASTIC),
}
"""The plain scripts; Paretune; and Paretune with one of its parts changed.

The worth of screening shows only with constraints: --set 'constraints=["latency <= 0.3 x
baseline"]'. Paretune has twice the trials, which take less time than a plain script's; one side has
as many trials. A side that races stops most of its trials early, so it has more of them for the
same time.
"""


def race(
    spec: StudySpec,
    names: list[str],
    folder: Path,
    clock: Callable[[], float],
    keep: Callable[[dict[str, History]], None] = lambda histories: None,
) -> dict[str, History]:
    """Runs all sides in turn, each to its last trial; returns side -> history.

    Args:
        spec: The study.
        names: Names of the sides.
        folder: Folder of their databases and artifacts.
        clock: As for Turns.
        keep: Called after each trial with the histories so far.
    """
    classes = load_data(spec.data.name, spec.data.params, spec.file.parent, spec.seed).classes
    turns = Turns(clock)
    recorders: dict[str, Recorder] = {}

    def recorded() -> None:
        keep({name: recorder.history for name, recorder in recorders.items()})

    recorders |= {name: Recorder(name, turns, spec, classes, recorded) for name in names}
    errors: list[BaseException] = []

    def work(name: str) -> None:
        torch.set_flush_denormal(True)
        turns.begin(name)
        try:
            side_folder = folder / name.replace(" ", "-")
            side_folder.mkdir(parents=True)
            SIDES[name](spec, side_folder, recorders[name])
        except BaseException as error:
            errors.append(error)
        finally:
            turns.end(name, last=True)

    for name in names:
        turns.join(name)
    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return {name: recorder.history for name, recorder in recorders.items()}


# -- what is printed -----------------------------------------------------------------------------


def report_all(seeds: list[dict[str, History]], title: str) -> None:
    """Compares all sides with each of the plain scripts; with the first side if there is none."""
    print(title)
    sides = list(seeds[0])
    for peer in [name for name in sides if name.startswith("plain")] or sides[:1]:
        report(seeds, peer)


def report(seeds: list[dict[str, History]], peer: str) -> None:
    """Compares all sides with one of them, a plain script, over the seeds."""
    finals = [seed[peer].final for seed in seeds]
    times = [seed[peer].points[-1][0] for seed in seeds]
    print(f"compared with {peer}: hypervolume {_spread(finals)} after {_spread(times, 0)} s")
    print(f"  {'side':24} {'final':>15} {'mean':>7}  " + "  ".join(f"{s:>16.0%}" for s in SHARES))
    for name in seeds[0]:
        final = [seed[name].final for seed in seeds]
        mean = [seed[name].mean_until(t) for seed, t in zip(seeds, times, strict=True)]
        cells = [_cell(seeds, name, peer, share) for share in SHARES]
        print(
            f"  {name:24} {_spread(final):>15} {statistics.fmean(mean):7.4f}  " + "  ".join(cells)
        )
    for name in seeds[0]:
        if name == peer or name.startswith("plain"):
            continue
        ratios = [_ratio(seed, name, peer, 0.95) for seed in seeds]
        print(
            f"  RATIO {name} / {peer}, time to 95 % of its final hypervolume to its whole time: "
            f"{statistics.median(ratios):.3f} (seeds {min(ratios):.3f} to {max(ratios):.3f}, "
            "aim 0.2)"
        )


def _cell(seeds: list[dict[str, History]], name: str, peer: str, share: float) -> str:
    """Returns median seconds and trainings to a share; if not all seeds reached it, how many."""
    results = [seed[name].reached(share * seed[peer].final) for seed in seeds]
    reached = [result for result in results if result is not None]
    if not reached:
        return f"{'never':>16}"
    seconds, trainings = map(statistics.median, zip(*reached, strict=True))
    text = f"{seconds:.0f} s / {trainings:.0f}"
    return f"{text + ('' if len(reached) == len(seeds) else f' ({len(reached)}/{len(seeds)})'):>16}"


def _ratio(seed: Mapping[str, History], name: str, peer: str, share: float) -> float:
    reached = seed[name].reached(share * seed[peer].final)
    return float("inf") if reached is None else reached[0] / seed[peer].points[-1][0]


def _spread(figures: list[float], digits: int = 4) -> str:
    mean = statistics.fmean(figures)
    deviation = statistics.stdev(figures) if len(figures) > 1 else 0.0
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}"


def study(data: str, validation: float, trials: int, seed: int, sets: list[str]) -> StudySpec:
    """Loads the benchmark's study with other data, seed and number of trials."""
    npz = f"data={{npz: {Path(data).resolve()}, validation: {validation}}}"
    overrides = {"digits": ["data=digits"], "cifar10": []}.get(data, [npz])
    return load_study(STUDY, [*overrides, f"search.seed={seed}", *sets], trials=trials)


def save(folder: Path | None, seed: int, histories: Mapping[str, History]) -> None:
    """Writes the histories of a seed as JSON; does nothing without a folder."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        kept = {name: history.points for name, history in histories.items()}
        write_atomically(folder / f"seed-{seed}.json", json.dumps(kept))


def main() -> None:
    """Runs the sides for each seed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="digits", help="digits, cifar10, or an .npz file")
    parser.add_argument("--validation", type=float, default=0.1, help="share of an .npz file")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument(
        "--sides",
        nargs="+",
        metavar="SIDE",
        default=[name for name in SIDES if not name.startswith("elastic")],
        choices=list(SIDES),
        help=f"by default all but the elastic ones: {'; '.join(SIDES)}",
    )
    parser.add_argument("--elastic", action="store_true", help="add the side elastic")
    parser.add_argument("--elastic-options", metavar="YAML", help=f"default: {ELASTIC}")
    parser.add_argument("--set", action="append", default=[], metavar="a.b=c")
    parser.add_argument("--save", type=Path, help="folder for the history of each seed, as JSON")
    parser.add_argument("--saved", type=Path, nargs="+", help="such files: only report them")
    parser.add_argument("--clock", choices=["processor", "wall"], default="processor")
    options = parser.parse_args()
    if options.saved:
        kept = [json.loads(file.read_text()) for file in options.saved]
        seeds = [{name: History(points) for name, points in one.items()} for one in kept]
        report_all(seeds, f"search, {', '.join(file.stem for file in options.saved)}")
        return
    if options.elastic_options:
        SIDES["elastic"] = elastic(options.elastic_options, more=2)
        SIDES["elastic, as many trials"] = elastic(options.elastic_options)
    sides = list(dict.fromkeys([*options.sides, *(["elastic"] if options.elastic else [])]))
    clock = time.thread_time if options.clock == "processor" else time.perf_counter
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    seeds = []
    for seed in options.seeds:
        spec = study(options.data, options.validation, options.trials, seed, options.set)
        with tempfile.TemporaryDirectory(prefix="paretune-bench-") as folder:
            keep = partial(save, options.save, seed)
            seeds.append(race(spec, sides, Path(folder), clock, keep))
        print(f"seed {seed}: done", flush=True)
    report_all(seeds, f"search, {options.data}, {options.trials} trials, seeds {options.seeds}")


if __name__ == "__main__":
    main()
