"""Processor time of commands: those that read a study, and those that start one.

Every figure is for a whole process: interpreter, imports, work. The sides of a group run in turn:

    reading    `front`, `status`, `show` and `report` on a study of ten thousand trials with
               intervals of their errors. The peer is a script that loads the same study from the
               same database with Optuna and asks for `study.best_trials`
    starting   `--version`, `check`, and `run` until its first trial is over (the whole run if there
               is no /proc). The peers are scripts that import Optuna, and that create a study on
               SQLite and run one trial

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
    """A command, and the processor time of each of its runs.

    Attributes:
        name: Printed name.
        command: Program and arguments.
        environment: Environment variables. Compiled modules are kept, as in an installation.
        fresh: Folder that is removed before each run.
        until: Text in the output that ends the measured part; None for the end of the process.
        seconds: Processor time of the whole process and its children, for each run.
    """

    name: str
    command: list[str]
    environment: dict[str, str]
    fresh: Path | None = None
    until: str | None = None

    def __post_init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self) -> None:
        """Runs the command once."""
        if self.fresh is not None:
            shutil.rmtree(self.fresh, ignore_errors=True)
        if self.until is not None and Path("/proc/self/stat").exists():
            self.seconds.append(self._seconds_until(self.until))
            return
        before = _children()
        done = subprocess.run(self.command, capture_output=True, text=True, env=self.environment)
        if done.returncode:
            raise RuntimeError(f"{self.name}: {done.stdout}{done.stderr}")
        self.seconds.append(_children() - before)

    def _seconds_until(self, text: str) -> float:
        """Returns the processor time until the text is printed, and ends the process there."""
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
    """Returns the processor time of all child processes that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def environment(folder: Path) -> dict[str, str]:
    """Returns this process's environment, in which compiled modules are kept."""
    variables = dict(os.environ)
    if variables.pop("PYTHONDONTWRITEBYTECODE", None) is None:
        return variables
    return {**variables, "PYTHONPYCACHEPREFIX": str(folder / "compiled")}


def paretune(folder: Path, name: str, *arguments: object) -> Process:
    """Returns a command of Paretune."""
    command = [sys.executable, "-m", "paretune", *map(str, arguments)]
    return Process(f"paretune {name}", command, environment(folder))


def script(folder: Path, name: str, text: str, fresh: Path | None = None) -> Process:
    """Returns a script of the peer."""
    return Process(name, [sys.executable, "-c", text], environment(folder), fresh)


def compare(title: str, pairs: list[tuple[Process, Process]], repeats: int) -> None:
    """Runs all in turn, and compares each first of a pair with the second, its peer."""
    print(title)
    sides = list({id(process): process for pair in pairs for process in pair}.values())
    in_turn(sides, 1)  # reads all files once, and compiles them
    for process in sides:
        process.seconds.clear()
    whole = in_turn(sides, repeats)
    for process, wall in zip(sides, whole, strict=True):
        spent, took = statistics.median(process.seconds), statistics.median(wall)
        print(f"  {process.name:34} {spent:7.3f} s processor time, {took:7.3f} s in all")
    for command, peer in pairs:
        ratio = median_ratio(command.seconds, peer.seconds)
        print(f"  RATIO {command.name} / {peer.name}, processor time: {ratio:.3f}")


def reading(folder: Path, trials: int, repeats: int, only: list[str]) -> None:
    """Compares the commands that read a finished study."""
    spec = trivial.study(folder, trials)
    begun = time.process_time()
    Runner(spec, lambda event: None).run()
    made = time.process_time() - begun
    with study_reader(spec.storage) as reader:
        front = len(reader.outline().members)
    size = Path(spec.storage.removeprefix("sqlite:///")).stat().st_size / 1e6
    file = folder / "trivial.yaml"
    more = {"show": [front], "report": ["-o", folder / "page.html"]}
    commands = [paretune(folder, name, name, file, *more.get(name, ())) for name in only]
    peer = script(folder, "Optuna's best_trials", BEST_TRIALS.format(url=spec.storage))
    title = f"reading {trials} trials: front of {front}, {size:.0f} MB, made in {made:.1f} s"
    compare(title, [(command, peer) for command in commands], repeats)


def starting(folder: Path, repeats: int) -> None:
    """Compares the commands that start a study."""
    file = trivial.study_file(folder)
    url = f"sqlite:///{folder / 'peer' / 'study.db'}"
    text = f"import os; os.makedirs({str(folder / 'peer')!r})\n" + ONE_TRIAL.format(url=url)
    imported = script(folder, "import optuna", "import optuna")
    one = script(folder, "Optuna, one trial", text, fresh=folder / "peer")
    started = paretune(folder, "run to trial 1", "run", file, "--trials", 9)
    started = replace(started, fresh=file.with_suffix(""), until="trial   1 ")
    pairs = [
        (paretune(folder, "--version", "--version"), imported),
        (paretune(folder, "check", "check", file), imported),
        (started, one),
    ]
    compare("starting", pairs, repeats)


def main() -> None:
    """Compares both groups."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--reading", nargs="*", choices=READING, default=list(READING))
    options = parser.parse_args()
    for group in (
        partial(reading, trials=options.trials, repeats=options.repeats, only=options.reading),
        partial(starting, repeats=options.repeats),
    ):
        with tempfile.TemporaryDirectory(prefix="paretune-bench-") as name:
            group(Path(name))


if __name__ == "__main__":
    main()
