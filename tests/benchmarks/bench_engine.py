"""What the engine costs: Paretune's processor time a trial beside plain Optuna's, and memory.

The trials take no time, so that what is left is the loop, the sampler, the database and the lines
printed. Two studies:

    trainer    one's own trainer (`evaluate: "trivial:evaluate"`), 8 parameters, 3 objectives
    stages     the quickstart's built-in stages: stage keys, locks, files of the stage cache, curves

The peer is plain Optuna on its SQLite storage with its defaults, by TPE and by its random sampler,
which goes on with the very study that Paretune has run: the same space, figures and history, read
from Optuna's tables in a copy of the study's database. Every run is a process of its own, so that
memory is its own, too.

Targets: at most 10 ms a trial for engine and sampler together in 10,000 trials; at most half of
Optuna's time with TPE; less than 1 GB.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import plain_optuna
from rich.console import Console

from paretune.search.running.progress import PlainProgress
from paretune.search.running.runner import Runner
from paretune.search.sampling.proposer import Proposer
from paretune.search.trial.events import Event, RunEnded, RunStarted, TrialEnded

STUDIES = {"trainer": "trivial", "stages": "no_work"}
"""Kind -> its module, which only a side of that kind reads: torch takes memory."""

LAST = 0.1
"""Share of the trials that "the last" means."""


class Clock:
    """A reporter that prints like any run, and notes the processor time of each trial."""

    def __init__(self) -> None:
        self._progress = PlainProgress(Console(file=io.StringIO()))
        self._begun = 0.0
        self.sampler = 0.0
        self.trials: list[float] = []
        self.sampling: list[float] = []
        self.end = 0.0
        self.front = 0

    def __call__(self, event: Event) -> None:
        """Takes an event of the runner in."""
        self._progress(event)
        now = time.process_time()
        match event:
            case TrialEnded(trial=number, front=front) if number > 0:
                self.trials.append(now - self._begun)
                self.sampling.append(self.sampler)
                self.front = len(front)
            case RunEnded():
                self.end = now - self._begun
            case TrialEnded() | RunStarted():
                pass
            case _:
                return
        self.sampler = 0.0
        self._begun = time.process_time()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Notes what the sampler takes of it while the body runs a study."""

        def timed(method: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any) -> Any:
                begun = time.process_time()
                try:
                    return method(*arguments)
                finally:
                    self.sampler += time.process_time() - begun

            return call

        with (
            mock.patch.object(Proposer, "ask", timed(Proposer.ask)),
            mock.patch.object(Proposer, "tell", timed(Proposer.tell)),
        ):
            yield


# -- in processes of their own -------------------------------------------------------------------


def paretune(kind: str, folder: Path, trials: int) -> dict[str, Any]:
    """Runs a study; gives what the trials took."""
    module = import_module(STUDIES[kind])
    spec = module.study(folder, trials)
    clock = Clock()
    with clock.watching(), module.no_work() if kind == "stages" else nullcontext():
        before = peak_memory()
        Runner(spec, clock).run()
    return {
        "trials": clock.trials,
        "sampling": clock.sampling,
        "end": clock.end,
        "front": clock.front,
        "before": before,
        "peak": peak_memory(),
        "database": spec.storage.removeprefix("sqlite:///"),
    }


def optuna(kind: str, folder: Path, trials: int, sampler: str, database: Path) -> dict[str, Any]:
    """Goes on with that study by plain Optuna for a few trials."""
    module = import_module(STUDIES[kind])
    spec = module.study(folder, trials)
    url = plain_optuna.copied(database, sampler)
    count = max(3, min(20, 2000 // trials))
    before = peak_memory()
    objective = module.objective_of(spec)
    found = plain_optuna.seconds_a_trial(url, spec.name, sampler, objective, count)
    return {"trials": found, "before": before, "peak": peak_memory()}


def peak_memory() -> float:
    """The most that this process has held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def apart(*arguments: object) -> dict[str, Any]:
    """Runs one side in a process of its own."""
    command = [sys.executable, __file__, "--side", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def side(arguments: list[str]) -> None:
    """What such a process does: kind, folder, trials, and for the peer sampler and database."""
    kind, folder, trials, *peer = arguments
    if peer:
        sampler, database = peer
        found = optuna(kind, Path(folder), int(trials), sampler, Path(database))
    else:
        found = paretune(kind, Path(folder), int(trials))
    print(json.dumps(found))


# -- what is printed -----------------------------------------------------------------------------


def compare(kind: str, trials: int, peers: list[str]) -> None:
    """Runs one study, lets the peers go on with it, and prints the figures."""
    with tempfile.TemporaryDirectory(prefix="paretune-bench-") as name:
        ours = apart(kind, name, trials)
        theirs = {p: apart(kind, name, trials, p, ours["database"]) for p in peers}
    every, last = ours["trials"], max(1, round(LAST * len(ours["trials"])))
    print(f"engine, {kind}, {trials} trials ({len(every)} proposals, front of {ours['front']})")
    _line("Paretune, all trials", every, f"of it sampler {_ms(ours['sampling']):.2f}")
    late = every[-last:]
    _line(f"Paretune, the last {last}", late, f"of it sampler {_ms(ours['sampling'][-last:]):.2f}")
    print(f"  {'Paretune, end of the run':28} {1000 * ours['end']:9.2f} ms once")
    for peer, found in theirs.items():
        _line(f"Optuna, {peer}, the next", found["trials"], f"mean of {len(found['trials'])}")
    print(f"  {'peak memory, Paretune':28} {ours['peak']:9.0f} MB, {ours['before']:.0f} before")
    for peer, found in theirs.items():
        what = f"peak memory, Optuna, {peer}"
        print(f"  {what:28} {found['peak']:9.0f} MB, {found['before']:.0f} before")
    for peer, found in theirs.items():
        ratio = _ms(late) / _ms(found["trials"])
        target = " (target: 0.5)" if peer == "TPE" else ""
        print(f"  RATIO Paretune / Optuna, {peer}, the last trials: {ratio:.3f}{target}")
    if trials >= 10:
        ratio = _ms(late) / _ms(every[:last])
        print(f"  RATIO last {last} trials / first {last}: {ratio:.2f}")


def _line(name: str, seconds: list[float], more: str) -> None:
    """Processor time a trial."""
    print(f"  {name:28} {_ms(seconds):9.2f} ms a trial, {more}")


def _ms(seconds: list[float]) -> float:
    """Mean, in milliseconds."""
    return 1000 * statistics.fmean(seconds)


def main() -> None:
    """Compares each study at each number of trials."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--study", nargs="+", choices=STUDIES, default=list(STUDIES))
    parser.add_argument(
        "--peers", nargs="*", choices=plain_optuna.SAMPLERS, default=["TPE", "random"]
    )
    parser.add_argument("--side", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        side(options.side)
        return
    for kind in options.study:
        for trials in options.trials:
            compare(kind, trials, options.peers)


if __name__ == "__main__":
    main()
