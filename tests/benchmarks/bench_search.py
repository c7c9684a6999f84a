"""The whole search: time and trainings to the final hypervolume of a plain Optuna script.

The space is studies/benchmark.yaml. The plain script is written with Optuna alone. It takes one of
Optuna's samplers, and in each trial it trains, prunes, quantizes, deploys and measures by the same
code, always from the start (the teacher is trained once). The side `paretune` is the real Runner.
Each other side changes one of its parts, to show what that part is worth.

All sides of a seed run in turn, a trial each, in one process. The side that has used least time is
next, so a slow minute of the machine affects all sides. Time is processor time of a side's thread
(each side works in one); the ratios are printed for the wall time of its turns, too. The
hypervolume is that of (error in [0, 0.9], latency ratio in [0, 1.2], size ratio in [0, 1.2]) to the
baseline, as a share of the box, on validation data. Latencies of all sides are measured in the same
way and time.

A proposal of `plain gp` takes 0.4 to 1.5 s, which counts as time of that side.

A side `plain ..., cached` is the plain script with Paretune's stage cache, which shows the share of
the sampler and of the format variants by themselves.

The side `elastic` (in addition by --elastic) searches subnets of the baseline instead of the
space's architectures: one elastic training, then as `paretune`. --elastic-options changes it.

Aim: with elastic training, 95 % of the plain script's final hypervolume in a tenth of its time (no
seed above a third); never below it at the end.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import statistics
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest import mock

import optuna
import torch
from plain_script import NoCache, PlainScript
from search_history import History, Point, Turns, Volume

from paretune.search.building.stage_cache import StageCache
from paretune.search.data import load_data
from paretune.search.database.engine import open_engine
from paretune.search.database.store import Store
from paretune.search.files import write_atomically
from paretune.search.measuring.structural_constraints import SCREEN
from paretune.search.running.runner import Runner
from paretune.search.study.racing_options import RacingParams
from paretune.search.study.records import Axis
from paretune.search.study.spec import Selection, StudySpec
from paretune.search.study_file.document import value_of
from paretune.search.study_file.loading import load_source, load_study
from paretune.search.trial.events import Event, TrialEnded, TrialPaused

STUDY = Path(__file__).parents[2] / "studies" / "benchmark.yaml"

SHARES = (0.90, 0.95, 0.99, 1.0)
"""Shares of the plain script's final hypervolume."""


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
        self.history.points.append(Point(used.processor, self._trainings, self._last, used.wall))
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


def plain(sampler: str, cached: bool = False) -> Side:
    """Returns the side of a plain script with a sampler of Optuna.

    Args:
        sampler: Short name of the sampler.
        cached: Whether trained stages are kept, as Paretune keeps them.
    """

    def run(spec: StudySpec, folder: Path, recorder: Recorder) -> None:
        make = {
            "tpe": optuna.samplers.TPESampler,
            "nsga2": optuna.samplers.NSGAIISampler,
            # Parameters of branches are drawn at random, without a warning for each.
            "gp": partial(optuna.samplers.GPSampler, warn_independent_sampling=False),
        }[sampler]
        cache = None
        if cached:
            store = Store(open_engine(f"sqlite:///{folder / 'stages.db'}", create=True))
            cache = StageCache(folder / "stages", store, spec.cache_limit)
        PlainScript(spec, make(seed=spec.seed), folder, cache).run(recorder.trial_ended)

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
    "{of: baseline, width: [0.25, 1], epochs: 6, random: 1, batch_size: 64, "
    "optimizer: {adam: {lr: 1e-3}}}"
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
    finetune["epochs"] = {"choice": sorted({0, 1, finetune["epochs"]})}
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
    "plain tpe, cached": plain("tpe", cached=True),
    "plain nsga2, cached": plain("nsga2", cached=True),
    "plain gp, cached": plain("gp", cached=True),
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
    keep: Callable[[dict[str, History]], None] = lambda histories: None,
) -> dict[str, History]:
    """Runs all sides in turn, each to its last trial; returns side -> history.

    Args:
        spec: The study.
        names: Names of the sides.
        folder: Folder of their databases and artifacts.
        keep: Called after each trial with the histories so far.
    """
    classes = load_data(spec.data.name, spec.data.params, spec.file.parent, spec.seed).classes
    turns = Turns()
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
    ends = [seed[peer].end for seed in seeds]
    volumes, times = [end.volume for end in ends], [end.seconds for end in ends]
    print(f"compared with {peer}: hypervolume {_spread(volumes)} after {_spread(times, 0)} s")
    print(
        f"  {'side':24} {'final':>15} {'same time':>10} {'same trainings':>15}  "
        + "  ".join(f"{s:>16.0%}" for s in SHARES)
    )
    for name in seeds[0]:
        histories = [seed[name] for seed in seeds]
        pairs = list(zip(histories, ends, strict=True))
        in_time = statistics.fmean(history.within(end.seconds) for history, end in pairs)
        trained = statistics.fmean(history.after(end.trainings) for history, end in pairs)
        cells = [_cell(seeds, name, peer, share) for share in SHARES]
        final = _spread([history.end.volume for history in histories])
        print(f"  {name:24} {final:>15} {in_time:>10.4f} {trained:>15.4f}  " + "  ".join(cells))
    for name in seeds[0]:
        if name == peer or (name.startswith("plain") and not name.endswith("cached")):
            continue
        for clock in ("seconds", "wall"):
            _print_ratio(
                [_ratio(seed, name, peer, 0.95, clock) for seed in seeds], name, peer, clock
            )


def _print_ratio(ratios: list[float], name: str, peer: str, clock: str) -> None:
    """Prints the median, the range and all ratios of the time to 95 % to the peer's whole time."""
    if all(map(math.isnan, ratios)):
        return  # histories of a time in which the wall time was not kept
    unit = {"seconds": "processor time", "wall": "wall time"}[clock]
    print(
        f"  RATIO {name} / {peer}, {unit} to 95 % of its final hypervolume to its whole time: "
        f"{statistics.median(ratios):.3f} (aim 0.1; none above 1/3; seeds: "
        f"{' '.join(f'{ratio:.3f}' for ratio in ratios)})"
    )


def _cell(seeds: list[dict[str, History]], name: str, peer: str, share: float) -> str:
    """Returns median seconds and trainings to a share; if not all seeds reached it, how many."""
    results = [seed[name].reached(share * seed[peer].end.volume) for seed in seeds]
    reached = [result for result in results if result is not None]
    if not reached:
        return f"{'never':>16}"
    seconds = statistics.median(point.seconds for point in reached)
    trainings = statistics.median(point.trainings for point in reached)
    text = f"{seconds:.0f} s / {trainings:.0f}"
    return f"{text + ('' if len(reached) == len(seeds) else f' ({len(reached)}/{len(seeds)})'):>16}"


def _ratio(seed: Mapping[str, History], name: str, peer: str, share: float, clock: str) -> float:
    """Returns the time to a share of the peer's hypervolume, as a share of its whole time.

    Args:
        seed: Side -> history.
        name: Name of a side.
        peer: Name of a plain script.
        share: Of the peer's final hypervolume.
        clock: "seconds" or "wall", as in Point.
    """
    reached = seed[name].reached(share * seed[peer].end.volume)
    whole: float = getattr(seed[peer].end, clock)
    return math.inf if reached is None else getattr(reached, clock) / whole


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
    options = parser.parse_args()
    if options.saved:
        kept = [json.loads(file.read_text()) for file in options.saved]
        seeds = [
            {name: History([Point(*point) for point in points]) for name, points in one.items()}
            for one in kept
        ]
        report_all(seeds, f"search, {', '.join(file.stem for file in options.saved)}")
        return
    if options.elastic_options:
        SIDES["elastic"] = elastic(options.elastic_options, more=2)
        SIDES["elastic, as many trials"] = elastic(options.elastic_options)
    sides = list(dict.fromkeys([*options.sides, *(["elastic"] if options.elastic else [])]))
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    seeds = []
    for seed in options.seeds:
        spec = study(options.data, options.validation, options.trials, seed, options.set)
        with tempfile.TemporaryDirectory(prefix="paretune-bench-") as folder:
            keep = partial(save, options.save, seed)
            seeds.append(race(spec, sides, Path(folder), keep))
        print(f"seed {seed}: done", flush=True)
    report_all(seeds, f"search, {options.data}, {options.trials} trials, seeds {options.seeds}")


if __name__ == "__main__":
    main()
