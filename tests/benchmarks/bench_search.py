"""The search itself: time and trainings to the hypervolume that a plain Optuna script ends with.

The space is studies/benchmark.yaml. The plain side is what one writes with Optuna alone: its
sampler, and for each trial the same training, pruning, quantizing, deploying and measuring, by the
same code and from the start each time (the teacher is trained once). Paretune's side is the real
Runner; each of its means can be switched off, to see its worth.

All sides of a seed run in turn, a trial each, the one that has used least time next, in one
process: a slow minute of the machine hits all of them. Time is the processor's for a side's thread
(all of them work in one), or the wall's with `--clock wall`; the hypervolume is that of
(error in [0, 0.9], latency ratio in [0, 1.2], size ratio in [0, 1.2]) to the baseline, as a share
of the box, on validation data. Every side's latencies are measured in the same way and time.

Aim: the plain script's final hypervolume, at 95 %, in a fifth of its time; never below it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest import mock

import optuna
import torch
from plain_optuna import suggested

from paretune.search.building.pipeline import Pipeline
from paretune.search.building.stage_cache import StageCache
from paretune.search.building.watch import StageError, Watch
from paretune.search.data import load_data
from paretune.search.files import write_atomically
from paretune.search.front.pareto import Front, hypervolume, to_losses
from paretune.search.measuring.gauge import Gauge, values_of, violations_of
from paretune.search.measuring.structural_constraints import SCREEN
from paretune.search.running.runner import Runner
from paretune.search.study.deployment import deployments
from paretune.search.study.plan import Plan, baseline_plan, make_plan
from paretune.search.study.racing_options import RacingParams
from paretune.search.study.records import Axis
from paretune.search.study.spec import Selection, StudySpec
from paretune.search.study_file.loading import load_study
from paretune.search.trial.events import Event, TrialEnded, TrialPaused
from paretune.spaces.domains import assign

STUDY = Path(__file__).parents[2] / "studies" / "benchmark.yaml"

SHARES = (0.90, 0.95, 0.99, 1.0)
"""Of the plain script's final hypervolume."""


# -- sides that take turns -----------------------------------------------------------------------


class Turns:
    """Lets one thread work at a time: the one that has used least time.

    Args:
        clock: What a thread's time is measured by.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._condition = threading.Condition()
        self._used: dict[str, float] = {}
        self._whose: str | None = None

    def join(self, name: str) -> None:
        """A side that will take turns."""
        self._used[name] = 0.0

    def begin(self, name: str) -> None:
        """Waits for this side's turn."""
        with self._condition:
            self._condition.wait_for(lambda: self._next() == name)
            self._whose = name
            self._begun = self._clock()

    def used(self, name: str) -> float:
        """Seconds of the side, its running turn included."""
        return self._used[name] + self._clock() - self._begun

    def end(self, name: str, last: bool = False) -> None:
        """The turn is over; the last one when the side is done."""
        with self._condition:
            self._used[name] = self.used(name)
            self._whose = None
            if last:
                del self._used[name]
            self._condition.notify_all()

    def _next(self) -> str | None:
        if self._whose is not None or not self._used:
            return None
        return min(self._used, key=lambda name: self._used[name])


@dataclass
class Course:
    """How a side got on: (seconds, trainings, hypervolume) after each trial."""

    points: list[tuple[float, int, float]] = field(default_factory=list)

    @property
    def final(self) -> float:
        """Hypervolume at the end."""
        return self.points[-1][2]

    def reached(self, volume: float) -> tuple[float, int] | None:
        """Seconds and trainings to a hypervolume; None when it was not reached."""
        for seconds, trainings, found in self.points:
            if found >= volume:
                return seconds, trainings
        return None

    def mean_until(self, seconds: float) -> float:
        """Mean hypervolume over the time."""
        area, last_time, last = 0.0, 0.0, 0.0
        for when, _, volume in self.points:
            if when >= seconds:
                break
            area += last * (when - last_time)
            last_time, last = when, volume
        return (area + last * (seconds - last_time)) / seconds


class Volume:
    """The hypervolume of the trials so far."""

    def __init__(self, axes: list[Axis], baseline: Mapping[str, float], classes: int) -> None:
        self._axes, self._baseline, self._classes = axes, baseline, classes
        self._front = Front()
        self._count = 0

    def add(self, values: Mapping[str, float]) -> float:
        """Takes a trial in; gives the hypervolume as a share of the box."""
        losses, reference = to_losses(values, self._axes, self._baseline, self._classes)
        self._count += 1
        self._front.add(self._count, losses)
        return float(hypervolume(self._front.losses, reference) / reference.prod())


# -- the plain script ----------------------------------------------------------------------------


class Forgetful(StageCache):
    """Keeps nothing: what a plain script does."""

    def __init__(self) -> None:
        super().__init__(Path(), None)  # type: ignore[arg-type]

    def lock(self, key: str) -> Any:
        """None is needed."""
        return contextlib.nullcontext()

    def has(self, key: str) -> bool:
        """Never."""
        return False

    def load(self, key: str, rebuild: Callable[..., Any]) -> None:
        """Never there."""

    def save(self, *_: Any) -> None:
        """Thrown away."""

    def snapshot(self, key: str, most: int) -> None:
        """None is kept."""

    def keep(self, *_: Any) -> None:
        """Thrown away."""

    def memo(self, key: str, make: Callable[[], Any]) -> Any:
        """Made each time."""
        return make()

    def tensor(self, key: str, make: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Made each time."""
        return make()


class Plain:
    """A search as one writes it with Optuna alone.

    Args:
        spec: The study.
        sampler: Optuna's.
        folder: For the artifacts.
    """

    def __init__(self, spec: StudySpec, sampler: optuna.samplers.BaseSampler, folder: Path) -> None:
        self._spec, self._folder = spec, folder
        self._data = load_data(spec.data.name, spec.data.params, spec.file.parent, spec.seed)
        self._baseline = baseline_plan(spec.baseline, spec.runtime)
        self._pipeline = Pipeline(self._data, Forgetful(), self._baseline, spec.seed, spec.device)
        self._gauge = Gauge.of(spec)
        self._study = optuna.create_study(
            storage=f"sqlite:///{folder / 'optuna.db'}",
            sampler=sampler,
            directions=[objective.direction for objective in spec.objectives],
        )
        self._known: tuple[Any, Mapping[str, Any]] = (None, {})

    def run(self, told: Callable[[Mapping[str, float] | None], None]) -> None:
        """The baseline, and all trials."""
        artifact, measured = self._measured(self._baseline, "baseline")
        self._known = (artifact, {m.name: m for m in measured})
        told(values_of(measured, self._spec.objectives))

        def one(trial: optuna.Trial) -> list[float]:
            plan = make_plan(
                assign(self._spec.space, partial(suggested, trial)), self._spec.runtime
            )
            try:
                _, found = self._measured(plan, f"{trial.number}")
            except StageError as error:
                told(None)
                raise optuna.TrialPruned from error
            values = values_of(found, self._spec.objectives)
            told(values if self._feasible(trial, found) else None)
            return list(values.values())

        self._study.optimize(one, n_trials=self._spec.trials)

    def _feasible(self, trial: optuna.Trial, found: Any) -> bool:
        """Whether all constraints hold; tells the sampler how far."""
        values, against = (
            {m.name: m.value for m in measured} for measured in (found, self._known[1].values())
        )
        broken = violations_of(self._spec.constraints, values, against)
        for text, violation in broken.items():
            trial.set_constraint(text, violation)
        return all(violation <= 0 for violation in broken.values())

    def _measured(self, plan: Plan, name: str) -> tuple[Any, Any]:
        watch = Watch()
        candidate = self._pipeline.candidate(plan, watch)
        [place] = deployments(plan)
        path = self._folder / f"{name}{place.suffix}"
        artifact = self._pipeline.deploy(plan, candidate, path, watch)
        baseline, reference = self._known
        return artifact, self._gauge.measure(
            artifact, place.runtime, place.options, candidate.model, self._data, baseline, reference
        )


# -- the sides -----------------------------------------------------------------------------------


class Recorder:
    """Notes a side's course, and hands the turn on after each trial.

    Args:
        name: Of the side.
        turns: Whose turn it is.
        spec: The study.
        classes: Of the data.
        noted: Called after each trial.
    """

    def __init__(
        self, name: str, turns: Turns, spec: StudySpec, classes: int, noted: Callable[[], None]
    ) -> None:
        better = {"minimize": "lower", "maximize": "higher"}
        self._axes = [Axis(o.name, o.unit, better[o.direction]) for o in spec.objectives]  # type: ignore[arg-type]
        self._name, self._turns, self._classes, self._noted = name, turns, classes, noted
        self._volume: Volume | None = None
        self._last, self._trainings = 0.0, 0
        self.course = Course()

    def told(self, values: Mapping[str, float] | None, trained: bool = True) -> None:
        """A trial has ended; None for one without values."""
        if self._volume is None:
            assert values is not None, "the baseline comes first"
            self._volume = Volume(self._axes, values, self._classes)
        self._trainings += trained
        if values is not None:
            self._last = self._volume.add(values)
        used = self._turns.used(self._name)
        self.course.points.append((used, self._trainings, self._last))
        self._noted()
        self._turns.end(self._name)
        self._turns.begin(self._name)

    def event(self, event: Event) -> None:
        """An event of the Runner's."""
        if isinstance(event, TrialEnded):
            result = event.result
            new = result.repeat_of is None and event.variant_of is None
            trained = new and (result.reason or {}).get("stage") != SCREEN
            self.told(result.values if event.trial == 0 or result.feasible else None, trained)
        elif isinstance(event, TrialPaused):
            self.told(None, trained=False)


def plain(sampler: str) -> Callable[[StudySpec, Path, Recorder], None]:
    """The plain script with a sampler of Optuna's."""

    def run(spec: StudySpec, folder: Path, recorder: Recorder) -> None:
        made = {
            "tpe": lambda: optuna.samplers.TPESampler(seed=spec.seed),
            "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=spec.seed),
        }[sampler]()
        Plain(spec, made, folder).run(recorder.told)

    return run


def paretune(
    sampler: str = "auto",
    options: Mapping[str, Any] = MappingProxyType({}),
    cached: bool = True,
    more: int = 1,
    **changes: Any,
) -> Callable[[StudySpec, Path, Recorder], None]:
    """The real engine, with these means changed, and so many times the trials."""

    def run(spec: StudySpec, folder: Path, recorder: Recorder) -> None:
        url = f"sqlite:///{folder / 'study.db'}"
        given = {**changes, "trials": more * (spec.trials or 0)}
        ours = replace(
            spec, folder=folder, storage=url, sampler=Selection(sampler, options), **given
        )
        forget = mock.patch("search.study.StageCache", lambda *_: Forgetful())
        with contextlib.nullcontext() if cached else forget:
            Runner(ours, recorder.event).run()

    return run


SIDES: dict[str, Callable[[StudySpec, Path, Recorder], None]] = {
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
}
"""The plain scripts; Paretune; and Paretune with one of its means changed. What screening is worth
shows with constraints only: --set 'constraints=["latency <= 0.3 x baseline"]'. Paretune has twice
the trials, which take less time than a plain script's; what it has after as many is a side, too. A
side that races stops most of its trials early, and so has more of them for the same time."""


def race(
    spec: StudySpec,
    names: list[str],
    folder: Path,
    clock: Callable[[], float],
    keep: Callable[[dict[str, Course]], None] = lambda courses: None,
) -> dict[str, Course]:
    """All sides in turn, each to its last trial; what is known so far is kept after each trial."""
    classes = load_data(spec.data.name, spec.data.params, spec.file.parent, spec.seed).classes
    turns = Turns(clock)
    recorders: dict[str, Recorder] = {}

    def noted() -> None:
        keep({name: recorder.course for name, recorder in recorders.items()})

    recorders |= {name: Recorder(name, turns, spec, classes, noted) for name in names}
    errors: list[BaseException] = []

    def work(name: str) -> None:
        torch.set_flush_denormal(True)
        turns.begin(name)
        try:
            own = folder / name.replace(" ", "-")
            own.mkdir(parents=True)
            SIDES[name](spec, own, recorders[name])
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
    return {name: recorder.course for name, recorder in recorders.items()}


# -- what is printed -----------------------------------------------------------------------------


def report_all(courses: list[dict[str, Course]], title: str) -> None:
    """Beside each of the plain scripts; the first side where there is none."""
    print(title)
    sides = list(courses[0])
    for peer in [name for name in sides if name.startswith("plain")] or sides[:1]:
        report(courses, peer)


def report(courses: list[dict[str, Course]], peer: str) -> None:
    """All sides beside one of them, a plain script, over the seeds."""
    finals = [seed[peer].final for seed in courses]
    times = [seed[peer].points[-1][0] for seed in courses]
    print(f"beside {peer}: hypervolume {_spread(finals)} after {_spread(times, 0)} s")
    print(f"  {'side':16} {'final':>15} {'mean':>7}  " + "  ".join(f"{s:>16.0%}" for s in SHARES))
    for name in courses[0]:
        final = [seed[name].final for seed in courses]
        mean = [seed[name].mean_until(t) for seed, t in zip(courses, times, strict=True)]
        cells = [_cell(courses, name, peer, share) for share in SHARES]
        print(
            f"  {name:16} {_spread(final):>15} {statistics.fmean(mean):7.4f}  " + "  ".join(cells)
        )
    for name in courses[0]:
        if name == peer or name.startswith("plain"):
            continue
        ratios = [_ratio(seed, name, peer, 0.95) for seed in courses]
        print(
            f"  RATIO {name} / {peer}, time to 95 % of its final hypervolume to its whole time: "
            f"{statistics.median(ratios):.3f} (seeds {min(ratios):.3f} to {max(ratios):.3f}, "
            "aim 0.2)"
        )


def _cell(courses: list[dict[str, Course]], name: str, peer: str, share: float) -> str:
    """Median seconds and trainings, and how many seeds reached it where not all did."""
    found = [seed[name].reached(share * seed[peer].final) for seed in courses]
    there = [f for f in found if f is not None]
    if not there:
        return f"{'never':>16}"
    seconds, trainings = (statistics.median(f[place] for f in there) for place in (0, 1))
    text = f"{seconds:.0f} s / {trainings:.0f}"
    return f"{text + ('' if len(there) == len(found) else f' ({len(there)}/{len(found)})'):>16}"


def _ratio(seed: Mapping[str, Course], name: str, peer: str, share: float) -> float:
    reached = seed[name].reached(share * seed[peer].final)
    return float("inf") if reached is None else reached[0] / seed[peer].points[-1][0]


def _spread(figures: list[float], digits: int = 4) -> str:
    mean = statistics.fmean(figures)
    deviation = statistics.stdev(figures) if len(figures) > 1 else 0.0
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}"


def study(data: str, validation: float, trials: int, seed: int, sets: list[str]) -> StudySpec:
    """The benchmark's study on some data."""
    npz = f"data={{npz: {Path(data).resolve()}, validation: {validation}}}"
    given = {"digits": ["data=digits"], "cifar10": []}.get(data, [npz])
    return load_study(STUDY, [*given, f"search.seed={seed}", *sets], trials=trials)


def save(folder: Path | None, seed: int, courses: Mapping[str, Course]) -> None:
    """Writes the courses of a seed as JSON, where there is a folder for them."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        kept = {name: course.points for name, course in courses.items()}
        write_atomically(folder / f"seed-{seed}.json", json.dumps(kept))


def main() -> None:
    """Runs the sides for each seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="digits", help="digits, cifar10, or an .npz file")
    parser.add_argument("--validation", type=float, default=0.1, help="share of an .npz file")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--sides", nargs="+", default=list(SIDES), choices=list(SIDES))
    parser.add_argument("--set", action="append", default=[], metavar="a.b=c")
    parser.add_argument("--save", type=Path, help="a folder: each seed's courses, as JSON")
    parser.add_argument("--saved", type=Path, nargs="+", help="such files: only report them")
    parser.add_argument("--clock", choices=["processor", "wall"], default="processor")
    options = parser.parse_args()
    if options.saved:
        kept = [json.loads(file.read_text()) for file in options.saved]
        courses = [{name: Course(points) for name, points in one.items()} for one in kept]
        report_all(courses, f"search, {', '.join(file.stem for file in options.saved)}")
        return
    clock = time.thread_time if options.clock == "processor" else time.perf_counter
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    courses = []
    for seed in options.seeds:
        spec = study(options.data, options.validation, options.trials, seed, options.set)
        with tempfile.TemporaryDirectory(prefix="paretune-bench-") as folder:
            keep = partial(save, options.save, seed)
            courses.append(race(spec, options.sides, Path(folder), clock, keep))
        print(f"seed {seed}: done", flush=True)
    report_all(courses, f"search, {options.data}, {options.trials} trials, seeds {options.seeds}")


if __name__ == "__main__":
    main()
