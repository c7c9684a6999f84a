"""`paretune optimize` beside a hand-written study of the same time.

For each case, `paretune optimize MODEL --time T` writes its own study and searches it in rounds.
Its time holds everything, also the first measurements and the export. The hand-written study is one
of studies/, as people wrote them before: `paretune run STUDY --time T`, with a check before and a
final session after that time. Both sides are judged by the trials that ended within T seconds after
the command began.

The hypervolume of both is that of accuracy error, latency and size, the latter two relative to the
side's own baseline. It is the same network on both sides, so there is one common reference: chance
level, and 1.2 times the baseline. The time to the goal begins with the command. The processor time
is printed too, as other work on the host changes the time on the wall.

    python tests/benchmarks/bench_optimize.py --case digits --seeds 3 --time 180
    PARETUNE_CIFAR=FOLDER python tests/benchmarks/bench_optimize.py --case cifar --time 600
    python tests/benchmarks/bench_optimize.py --case scenes --time 600
    PARETUNE_PHOTOS=FOLDER python tests/benchmarks/bench_optimize.py --case photos --time 300
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from paretune.search.database.reader import study_reader
from paretune.search.optimizing.goals import standings
from paretune.search.study.constraints import read_constraint
from paretune.search.study.records import StudyRecord
from paretune.search.study_file.document import read_document

STUDIES = Path(__file__).parents[2] / "studies"
LOST = float("inf")
"""The time to the goal of a side that does not reach it."""


@dataclass(frozen=True)
class Case:
    """A task that both sides solve.

    Attributes:
        study: The hand-written study: a file of studies/, or a path.
        model: Arguments of `optimize` that name the model and its data.
        goals: The goals of both sides.
        data: --set option for the hand-written study's data; None for its own.
        files: Files that both sides need in their folder.
    """

    study: str
    model: tuple[str, ...]
    goals: tuple[str, ...]
    data: str | None = None
    files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class SideResult:
    """The result of one side.

    Attributes:
        hypervolume: Of its front.
        to_goal: Seconds until a trial met every goal.
        trials: Number of its trials within the time.
        wall: Seconds on the wall.
        processor: Seconds of its processes on a processor.
    """

    hypervolume: float
    to_goal: float
    trials: int
    wall: float
    processor: float


def cases() -> dict[str, Case]:
    """Returns name -> case; `cifar` needs the folder PARETUNE_CIFAR, `photos` PARETUNE_PHOTOS.

    PARETUNE_PHOTOS has what the user of a trained MobileNetV2 has: photos/train and photos/val with
    a folder for each class, and ckpt.pt, the weights of a script of the user's own.
    """
    made = {
        "digits": Case(
            "quickstart.yaml",
            ("simple_cnn", "--data", "digits"),
            ("latency <= 0.3 x baseline", "accuracy >= baseline - 1%"),
        ),
        "scenes": Case(
            "segmentation.yaml",
            (
                *("{unet: {width: 16, depth: 3}}", "--task", "{segmentation: {ignore: 4}}"),
                *("--data", "{python: 'scenes:scenes'}"),
            ),
            ("latency <= 0.5 x baseline", "miou >= baseline - 2%"),
            files=(STUDIES / "scenes.py",),
        ),
    }
    folder = os.environ.get("PARETUNE_CIFAR")
    if folder:
        file = Path(folder).absolute() / "cifar10_2k.npz"
        made["cifar"] = Case(
            "cifar10.yaml",
            ("simple_cnn", "--data", f"npz:{file}"),
            ("latency <= 0.3 x baseline", "accuracy >= baseline - 3%"),
            data=f"data={{npz: {file}, validation: 0.2}}",
        )
    photos = os.environ.get("PARETUNE_PHOTOS")
    if photos:
        made["photos"] = photos_case(Path(photos).absolute())
    return made


def photos_case(folder: Path) -> Case:
    """Returns the case of a user's MobileNetV2 of half the width, at 48 pixels."""
    images = f"{{images: {folder / 'photos'}, size: 48}}"
    return Case(
        str(Path(__file__).with_name("photos.yaml")),
        (
            *("{torchvision: mobilenet_v2, args: {width_mult: 0.5}}", "--data", images),
            *("--checkpoint", str(folder / "ckpt.pt")),
        ),
        ("latency <= 0.5 x baseline", "accuracy >= baseline - 1%"),
        data=f"data={images}",
        files=(folder / "ckpt.pt",),
    )


def run(command: list[str], folder: Path) -> tuple[float, float]:
    """Runs a command to its end; returns its seconds on the wall and on a processor."""
    begun = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
        _, status, used = os.wait4(process.pid, 0)
        code = process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        if code not in (0, 1):
            raise SystemExit(f"{' '.join(command)}\n{output.read()[-3000:]}")
    return time.monotonic() - begun, used.ru_utime + used.ru_stime


CLOCK: list[str] = []
"""What a process does before it runs a command: with `--processor`, its clock counts processor
time, so that other work on the host takes no time from a side."""

PROCESSOR = """
import time
begun = time.time() - time.process_time()
time.time = lambda: begun + time.process_time()
time.monotonic = time.perf_counter = time.process_time
"""


def paretune(*arguments: object) -> list[str]:
    main = "from paretune.search.cli import main; main()"
    return [sys.executable, "-c", "\n".join([*CLOCK, main]), *map(str, arguments)]


def goal_options(case: Case) -> list[str]:
    return [word for goal in case.goals for word in ("--goal", goal)]


def optimized(case: Case, seconds: int, seed: int, folder: Path) -> SideResult:
    """Runs `paretune optimize` on the model."""
    begun = time.time()
    options = [*case.model, *goal_options(case), "--time", f"{seconds}s", "-o", "out"]
    first = [sys.executable, "-c", "\n".join([*CLOCK, FIRST]), *options]
    # The same batch on both sides: the share of a call's overhead depends on it.
    latency = read_document(STUDIES / case.study).data["objectives"]["latency"]
    os.environ["BENCH_LATENCY"], os.environ["BENCH_SEED"] = json.dumps(latency), str(seed)
    wall, processor = run(first, folder)
    return result_of(folder / "out.study", case, begun, seconds, wall, processor)


FIRST = """
import os, pathlib, re, sys
from paretune.search.cli import main
from paretune.search.commands.optimize import command
from paretune.search.optimizing.request import OptimizeRequest
from paretune.search.optimizing.working_study import working_study
typed = command.make_context("optimize", list(sys.argv[1:])).params
working_study(OptimizeRequest(
    typed["model"], typed["output"], typed["goals"], typed["time"], typed["data"],
    typed["checkpoint"], typed["task"], typed["runtime"], typed["stop_at_goal"],
))
file, seed = pathlib.Path("out.study.yaml"), os.environ["BENCH_SEED"]
text = file.read_text().replace("search: {", f"search: {{seed: {seed}, ", 1)
assert f"seed: {seed}" in text, text
file.write_text(re.sub(r"(?m)^  latency: .*$", f"  latency: {os.environ['BENCH_LATENCY']}", text))
main(["optimize", *sys.argv[1:]])
"""
"""Writes the study file, as the command does first; sets seed and latency in it; goes on."""


def hand_written(case: Case, seconds: int, seed: int, folder: Path) -> SideResult:
    """Runs the hand-written study."""
    begun = time.time()
    study = Path(shutil.copy(STUDIES / case.study, folder))
    data = [] if case.data is None else ["--set", case.data]
    options = ["--set", f"search.seed={seed}", *data, "--time", f"{seconds}s", "--trials", 9999]
    wall, processor = run(paretune("run", study.name, *options), folder)
    return result_of(folder / study.stem, case, begun, seconds, wall, processor)


def result_of(
    folder: Path, case: Case, begun: float, seconds: int, wall: float, processor: float
) -> SideResult:
    """Returns the result of the trials that ended within some seconds after the beginning."""
    with study_reader(f"sqlite:///{folder / 'study.db'}") as reader:
        record = reader.record()
    until = begun + seconds
    reached = [point.hypervolume or 0.0 for point in record.growth if point.time <= until]
    ended = [t.finished for t in record.trials if t.number and t.finished]
    return SideResult(
        max(reached, default=0.0),
        to_goal(record, case.goals, begun),
        sum(time <= until for time in ended),
        wall,
        processor,
    )


def to_goal(record: StudyRecord, texts: tuple[str, ...], begun: float) -> float:
    """Returns the seconds until the first trial that meets every goal; LOST if none does."""
    assert record.baseline is not None
    base = record.baseline.measurements
    goals = [read_constraint(text, {n: m.unit for n, m in base.items()}) for text in texts]
    times = [
        trial.finished - begun
        for trial in record.trials
        if trial.number and trial.finished and trial.feasible
        if all(s.met for s in standings(trial.measurements, goals, base) or ())
    ]
    return min(times, default=LOST)


SIDES = {"optimize": optimized, "by hand": hand_written}


def side_result(name: str, case: Case, seconds: int, seed: int) -> SideResult:
    """Runs one side in a folder of its own, and prints its result."""
    with tempfile.TemporaryDirectory() as folder:
        for file in case.files:
            shutil.copy(file, folder)
        result = SIDES[name](case, seconds, seed, Path(folder))
    print(
        f"seed {seed}  {name:<9} hypervolume {result.hypervolume:.4f}  "
        f"goal after {result.to_goal:5.0f} s  {result.trials:3} trials  "
        f"{result.wall:5.0f} s, processor {result.processor:5.0f} s, "
        f"load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    return result


def compare(case: Case, seconds: int, seeds: range, together: bool) -> None:
    """Runs both sides for each seed, and prints their ratios.

    Args:
        case: The case.
        seconds: Time of each side.
        seeds: The seeds.
        together: Whether both sides run at the same time, under the same load of the host.
    """
    volumes, times, processors = [], [], []
    for seed in seeds:
        names = list(SIDES) if seed % 2 == 0 else list(SIDES)[::-1]
        with ThreadPoolExecutor(len(names) if together else 1) as pool:
            begun = {name: pool.submit(side_result, name, case, seconds, seed) for name in names}
        one, other = (begun[name].result() for name in SIDES)
        volumes.append(one.hypervolume / other.hypervolume)
        times.append(time_ratio(one.to_goal, other.to_goal))
        processors.append(one.processor / other.processor)
    print(f"  RATIO hypervolume, optimize / by hand, {len(seeds)} seeds: {median(volumes):.3f}")
    print(f"  RATIO time to the goal, optimize / by hand: {median(times):.2f}")
    print(f"  RATIO processor time, optimize / by hand: {median(processors):.2f}")


def time_ratio(one: float, other: float) -> float:
    """Returns the ratio of two times to the goal; 1 if neither side reaches it."""
    return 1.0 if one == other == LOST else one / other


def main() -> None:
    """Parses the options and compares the sides."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=sorted(cases()), default="digits")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--time", type=int, default=180, help="seconds of each side")
    parser.add_argument("--together", action="store_true", help="run both sides at once")
    parser.add_argument("--processor", action="store_true", help="count processor time")
    options = parser.parse_args()
    CLOCK.extend([PROCESSOR] if options.processor else [])
    print(f"{options.case}: {options.time} s each", flush=True)
    seeds = range(options.first, options.first + options.seeds)
    compare(cases()[options.case], options.time, seeds, options.together)


if __name__ == "__main__":
    main()
