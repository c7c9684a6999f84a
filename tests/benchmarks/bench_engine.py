"""What the engine costs: processor time of a trial in Paretune and in plain Optuna, and memory.

The trials take no time, so their cost is that of the loop, the sampler, the database and the
printed lines. There are two studies:

    trainer    a custom trainer (`evaluate: "trivial:evaluate"`), 8 parameters, 3 objectives
    stages     the quickstart's built-in stages: stage keys, locks, files of the stage cache, curves

The peer is plain Optuna on its SQLite storage with its defaults, with TPE and with its random
sampler. It continues the study that Paretune has run, in a copy of the database, so space, figures
and history are the same. Every run is a separate process, so that memory is measured for it alone.

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
"""Kind of study -> module. Only the sides of a kind import it, as torch takes memory."""

LAST = 0.1
"""Share of the trials that are printed as the last ones."""


class Clock:
    """A reporter that prints as in any run, and records the processor time of each trial."""

    def __init__(self) -> None:
        self._progress = PlainProgress(Console(file=io.StringIO()))
        self._begun = 0.0
        self.sampler = 0.0
        self.trials: list[float] = []
        self.sampling: list[float] = []
        self.end = 0.0
        self.front = 0

    def __call__(self, event: Event) -> None:
        """Records an event of the runner."""
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
        """Records the sampler's part of the time while the body runs a study."""

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


# -- in separate processes ----------------------------------------------------------------------


def paretune(kind: str, folder: Path, trials: int) -> dict[str, Any]:
    """Runs a study; returns what the trials took."""
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
    """Continues that study with plain Optuna for a few trials."""
    module = import_module(STUDIES[kind])
    spec = module.study(folder, trials)
    url = plain_optuna.copied(database, sampler)
    count = max(3, min(20, 2000 // trials))
    before = peak_memory()
    objective = module.objective_of(spec)
    seconds = plain_optuna.seconds_a_trial(url, spec.name, sampler, objective, count)
    return {"trials": seconds, "before": before, "peak": peak_memory()}


def peak_memory() -> float:
    """Returns the peak memory of this process until now, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_new_process(*arguments: object) -> dict[str, Any]:
    """Runs one side in a separate process; returns what it printed."""
    command = [sys.executable, __file__, "--side", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def side(arguments: list[str]) -> None:
    """Runs one side in this process, and prints its result as JSON.

    Args:
        arguments: Kind, folder, number of trials; for the peer also sampler and database.
    """
    kind, folder, trials, *peer = arguments
    if peer:
        sampler, database = peer
        result = optuna(kind, Path(folder), int(trials), sampler, Path(database))
    else:
        result = paretune(kind, Path(folder), int(trials))
    print(json.dumps(result))


# -- what is printed -----------------------------------------------------------------------------


def compare(kind: str, trials: int, peers: list[str]) -> None:
    """Runs one study, lets the peers continue it, and prints the figures."""
    with tempfile.TemporaryDirectory(prefix="paretune-bench-") as name:
        run = in_new_process(kind, name, trials)
        by_peer = {p: in_new_process(kind, name, trials, p, run["database"]) for p in peers}
    every, last = run["trials"], max(1, round(LAST * len(run["trials"])))
    print(f"engine, {kind}, {trials} trials ({len(every)} proposals, front of {run['front']})")
    _line("Paretune, all trials", every, f"of it sampler {_ms(run['sampling']):.2f}")
    late = every[-last:]
    _line(f"Paretune, the last {last}", late, f"of it sampler {_ms(run['sampling'][-last:]):.2f}")
    print(f"  {'Paretune, end of the run':28} {1000 * run['end']:9.2f} ms once")
    for peer, figures in by_peer.items():
        _line(f"Optuna, {peer}, the next", figures["trials"], f"mean of {len(figures['trials'])}")
    print(f"  {'peak memory, Paretune':28} {run['peak']:9.0f} MB, {run['before']:.0f} before")
    for peer, figures in by_peer.items():
        what = f"peak memory, Optuna, {peer}"
        print(f"  {what:28} {figures['peak']:9.0f} MB, {figures['before']:.0f} before")
    for peer, figures in by_peer.items():
        ratio = _ms(late) / _ms(figures["trials"])
        target = " (target: 0.5)" if peer == "TPE" else ""
        print(f"  RATIO Paretune / Optuna, {peer}, the last trials: {ratio:.3f}{target}")
    if trials >= 10:
        ratio = _ms(late) / _ms(every[:last])
        print(f"  RATIO last {last} trials / first {last}: {ratio:.2f}")


def _line(name: str, seconds: list[float], more: str) -> None:
    """Prints the mean processor time of a trial."""
    print(f"  {name:28} {_ms(seconds):9.2f} ms a trial, {more}")


def _ms(seconds: list[float]) -> float:
    """Returns the mean in milliseconds."""
    return 1000 * statistics.fmean(seconds)


def main() -> None:
    """Compares each study at each number of trials."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
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
