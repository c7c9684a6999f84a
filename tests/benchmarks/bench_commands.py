"""How fast commands answer: those that read a study, and those that begin one.

Every figure is a whole process: the interpreter, imports, the work. Two groups, each side in turn:

    reading    `front`, `status`, `show` and `report` on a study of ten thousand trials, whose
               errors have intervals, beside a script that loads the same study by Optuna from the
               same database and asks for `study.best_trials`
    starting   `--version`, `check`, and `run` until its first trial is over (where there is
               /proc, else whole), beside scripts that import Optuna, and that create a study on
               SQLite and do one trial

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
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import trivial
from sides import in_turn, median_ratio

from paretune.search.database.reader import study_reader
from paretune.search.running.runner import Runner

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
        until: What it prints when it has done what is measured; None for its end.
        seconds: Processor time of the whole process and its children, in seconds.
    """

    name: str
    command: list[str]
    environment: dict[str, str]
    fresh: Path | None = None
    until: str | None = None

    def __post_init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self) -> None:
        """Runs it."""
        if self.fresh is not None:
            shutil.rmtree(self.fresh, ignore_errors=True)
        if self.until is not None and Path("/proc/self/stat").exists():
            self.seconds.append(self._so_far(self.until))
            return
        before = _children()
        done = subprocess.run(self.command, capture_output=True, text=True, env=self.environment)
        if done.returncode:
            raise RuntimeError(f"{self.name}: {done.stdout}{done.stderr}")
        self.seconds.append(_children() - before)

    def _so_far(self, text: str) -> float:
        """What it has taken when it prints this text; it is ended there."""
        with subprocess.Popen(
            self.command, stdout=subprocess.PIPE, text=True, env=self.environment
        ) as process:
            assert process.stdout is not None
            if not any(text in line for line in process.stdout):
                raise RuntimeError(f"{self.name}: it did not print {text!r}")
            spent = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
            process.kill()
        return sum(map(int, spent)) / os.sysconf("SC_CLK_TCK")


def _children() -> float:
    """Processor time of all processes that were waited for."""
    times = os.times()
    return times.children_user + times.children_system


def environment(folder: Path) -> dict[str, str]:
    """This one, with a folder of its own for compiled modules."""
    ours = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**ours, "PYTHONPYCACHEPREFIX": str(folder / "compiled")}


def paretune(folder: Path, name: str, *arguments: object) -> Process:
    """A command of Paretune's."""
    command = [sys.executable, "-m", "paretune", *map(str, arguments)]
    return Process(f"paretune {name}", command, environment(folder))


def script(folder: Path, name: str, text: str, fresh: Path | None = None) -> Process:
    """A script of the peer's."""
    return Process(name, [sys.executable, "-c", text], environment(folder), fresh)


def compare(title: str, pairs: list[tuple[Process, Process]], repeats: int) -> None:
    """Runs all in turn, and prints each of ours beside its peer."""
    print(title)
    sides = list({id(process): process for pair in pairs for process in pair}.values())
    in_turn(sides, 1)  # files are read once, and compiled
    for process in sides:
        process.seconds.clear()
    whole = in_turn(sides, repeats)
    for process, wall in zip(sides, whole, strict=True):
        spent, took = statistics.median(process.seconds), statistics.median(wall)
        print(f"  {process.name:34} {spent:7.3f} s processor time, {took:7.3f} s in all")
    for ours, theirs in pairs:
        ratio = median_ratio(ours.seconds, theirs.seconds)
        print(f"  RATIO {ours.name} / {theirs.name}, processor time: {ratio:.3f}")


def read_commands(folder: Path, trials: int, repeats: int, only: list[str]) -> None:
    """The commands that read a finished study."""
    spec = trivial.study(folder, trials)
    begun = time.process_time()
    Runner(spec, lambda event: None).run()
    made = time.process_time() - begun
    with study_reader(spec.storage) as found:
        front = len(found.outline().members)
    size = Path(spec.storage.removeprefix("sqlite:///")).stat().st_size / 1e6
    file = folder / "trivial.yaml"
    more = {"show": [front], "report": ["-o", folder / "page.html"]}
    ours = [paretune(folder, name, name, file, *more.get(name, ())) for name in only]
    peer = script(folder, "Optuna's best_trials", BEST_TRIALS.format(url=spec.storage))
    title = f"reading {trials} trials: front of {front}, {size:.0f} MB, made in {made:.1f} s"
    compare(title, [(process, peer) for process in ours], repeats)


def starting(folder: Path, repeats: int) -> None:
    """The commands that begin a study."""
    file = trivial.study_file(folder)
    url = f"sqlite:///{folder / 'peer' / 'study.db'}"
    text = f"import os; os.makedirs({str(folder / 'peer')!r})\n" + ONE_TRIAL.format(url=url)
    imported = script(folder, "import optuna", "import optuna")
    one = script(folder, "Optuna, one trial", text, fresh=folder / "peer")
    begun = paretune(folder, "run to trial 1", "run", file, "--trials", 9)
    begun = replace(begun, fresh=file.with_suffix(""), until="trial   1 ")
    pairs = [
        (paretune(folder, "--version", "--version"), imported),
        (paretune(folder, "check", "check", file), imported),
        (begun, one),
    ]
    compare("starting", pairs, repeats)


def main() -> None:
    """Compares both groups."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--reading", nargs="*", choices=READING, default=list(READING))
    options = parser.parse_args()
    for act in (
        partial(
            read_commands, trials=options.trials, repeats=options.repeats, only=options.reading
        ),
        partial(starting, repeats=options.repeats),
    ):
        with tempfile.TemporaryDirectory(prefix="paretune-bench-") as name:
            act(Path(name))


if __name__ == "__main__":
    main()
