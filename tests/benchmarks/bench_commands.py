"""How fast commands answer: those that read a study, and those that begin one.

Every figure is a whole process: the interpreter, imports, the work. Two groups, each side in turn:

    reading    `front`, `status`, `show` and `report` on a study of ten thousand trials, whose
               errors have intervals, beside a script that loads the same study by Optuna from the
               same database and asks for `study.best_trials`
    starting   `--version`, `check`, and `run` until its first trial is over, beside scripts that
               import Optuna, and that create a study on SQLite and do one trial

Targets: `front` and `status` in half a second of processor time; `check` in half a second.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trivial
from sides import in_turn

from search.database.reading import records
from search.runner import Runner

READING = ("front", "status", "show", "report")

BEST_TRIALS = """\
import optuna
optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.load_study(study_name="trivial", storage="{url}")
print(len(study.best_trials))
"""

ONE_TRIAL = """\
import optuna
study = optuna.create_study(storage="{url}", directions=["minimize", "minimize"])
study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 1.0), n_trials=1)
"""


@dataclass
class Process:
    """A command, and the processor time of each time it ran.

    Attributes:
        name: As it is printed.
        command: What is run.
        environment: Of the process: compiled modules are kept, as an installation has them.
        fresh: Removed before each run.
        seconds: Processor time of the whole process and its children, in seconds.
    """

    name: str
    command: list[str]
    environment: dict[str, str]
    fresh: Path | None = None

    def __post_init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self) -> None:
        """Runs it."""
        if self.fresh is not None:
            shutil.rmtree(self.fresh, ignore_errors=True)
        before = _children()
        done = subprocess.run(self.command, capture_output=True, text=True, env=self.environment)
        if done.returncode:
            raise RuntimeError(f"{self.name}: {done.stdout}{done.stderr}")
        self.seconds.append(_children() - before)


def _children() -> float:
    """Processor time of all processes that were waited for."""
    times = os.times()
    return times.children_user + times.children_system


def environment(folder: Path) -> dict[str, str]:
    """This one, with a folder of its own for compiled modules."""
    ours = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**ours, "PYTHONPYCACHEPREFIX": str(folder / "compiled")}


def paretune(folder: Path, name: str, *arguments: object, fresh: Path | None = None) -> Process:
    """A command of Paretune's."""
    command = [sys.executable, "-m", "search.cli", *map(str, arguments)]
    return Process(f"paretune {name}", command, environment(folder), fresh)


def script(folder: Path, name: str, text: str, fresh: Path | None = None) -> Process:
    """A script of the peer's."""
    return Process(name, [sys.executable, "-c", text], environment(folder), fresh)


def compare(title: str, ours: list[Process], theirs: list[Process], repeats: int) -> None:
    """Runs all in turn, and prints each of ours beside each of theirs."""
    print(title)
    sides = [*ours, *theirs]
    in_turn(sides, 1)  # files are read once, and compiled
    for process in sides:
        process.seconds.clear()
    whole = in_turn(sides, repeats)
    for process, wall in zip(sides, whole, strict=True):
        spent, took = statistics.median(process.seconds), statistics.median(wall)
        print(f"  {process.name:34} {spent:7.3f} s processor time, {took:7.3f} s in all")
    for process in ours:
        for peer in theirs:
            ratio = statistics.median(process.seconds) / statistics.median(peer.seconds)
            print(f"  RATIO {process.name} / {peer.name}: {ratio:.3f}")


def reading(folder: Path, trials: int, repeats: int, only: list[str]) -> None:
    """The commands that read a finished study."""
    spec = trivial.study(folder, trials)
    begun = time.process_time()
    Runner(spec, lambda event: None).run()
    made = time.process_time() - begun
    with records(spec.storage) as found:
        front = len(found.outline().members)
    size = Path(spec.storage.removeprefix("sqlite:///")).stat().st_size / 1e6
    file = folder / "trivial.yaml"
    more = {"show": [front], "report": ["-o", folder / "page.html"]}
    ours = [paretune(folder, name, name, file, *more.get(name, ())) for name in only]
    theirs = [script(folder, "Optuna's best_trials", BEST_TRIALS.format(url=spec.storage))]
    title = f"reading {trials} trials: front of {front}, {size:.0f} MB, made in {made:.1f} s"
    compare(title, ours, theirs, repeats)


def starting(folder: Path, repeats: int) -> None:
    """The commands that begin a study."""
    file = trivial.study_file(folder)
    made, peer = file.with_suffix(""), folder / "peer"
    ours = [
        paretune(folder, "--version", "--version"),
        paretune(folder, "check", "check", file),
        paretune(folder, "run, one trial", "run", file, "--trials", 1, fresh=made),
    ]
    theirs = [script(folder, "import optuna", "import optuna")]
    prepare = f"import os; os.makedirs({str(peer)!r})\n"
    url = f"sqlite:///{peer / 'study.db'}"
    theirs.append(
        script(folder, "Optuna, one trial", prepare + ONE_TRIAL.format(url=url), fresh=peer)
    )
    compare("starting", ours, theirs, repeats)


def main() -> None:
    """Compares both groups."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--reading", nargs="*", choices=READING, default=list(READING))
    options = parser.parse_args()
    for act in (
        partial(reading, trials=options.trials, repeats=options.repeats, only=options.reading),
        partial(starting, repeats=options.repeats),
    ):
        with tempfile.TemporaryDirectory(prefix="paretune-bench-") as name:
            act(Path(name))


if __name__ == "__main__":
    main()
