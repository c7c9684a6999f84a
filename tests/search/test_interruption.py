"""Ctrl-C ends a run with 130, also where other code swallows or changes the interrupt."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from paretune.search import interruption
from paretune.search.building.watch import StageError, Watch
from paretune.search.cli import STOPPED
from support.command_line import invoke

STUDY = """\
study: swallow
evaluate: "{module}:evaluate"
space: {{depth: {{int: [1, 1000]}}}}
objectives: {{error: {{minimize: {{}}}}}}
search: {{sampler: random, trials: 1000}}
"""

TRAINERS = {
    "turns_it_into_an_error": """\
import time
def evaluate(plan, report):
    try:
        time.sleep(0.2)
    except KeyboardInterrupt as error:
        raise RuntimeError("a library's own error") from error
    return {"error": 1.0}
""",
    "ignores_it": """\
import time
def evaluate(plan, report):
    try:
        time.sleep(0.2)
    except KeyboardInterrupt:
        pass
    return {"error": 1.0}
""",
}


@pytest.fixture(autouse=True)
def _no_signals() -> Iterator[None]:
    """Forgets signals before and after a test."""
    interruption._signals.clear()
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)
    interruption._signals.clear()


def interrupt() -> None:
    """Sends Ctrl-C to this process."""
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.slow
@pytest.mark.parametrize("trainer", TRAINERS)
def test_run_exits_130_when_a_trainer_swallows_the_interrupt(
    tmp_path: Path, start: Callable[..., Any], trainer: str
) -> None:
    (tmp_path / f"{trainer}.py").write_text(TRAINERS[trainer])
    file = tmp_path / "swallow.yaml"
    file.write_text(STUDY.format(module=trainer))
    running = start("run", file)
    running.wait_for("trial   2 [")
    assert running.ended(signal.SIGINT) == 130
    assert STOPPED in running.log.read_text()
    assert "Traceback" not in running.log.read_text()


def test_stage_ends_with_the_interrupt_when_its_error_hides_it() -> None:
    interruption.watch_interrupts()

    def stage() -> None:
        with Watch().stage("train"):
            try:
                interrupt()
            except KeyboardInterrupt:
                raise RuntimeError("from C++") from None

    with pytest.raises(KeyboardInterrupt):
        stage()


def test_stage_ends_with_the_interrupt_when_it_was_ignored() -> None:
    interruption.watch_interrupts()

    def stage() -> None:
        with Watch().stage("train"), contextlib.suppress(KeyboardInterrupt):
            interrupt()

    with pytest.raises(KeyboardInterrupt):
        stage()


def test_stage_fails_with_its_error_when_nothing_interrupts() -> None:
    interruption.watch_interrupts()
    with pytest.raises(StageError, match="train: broken"), Watch().stage("train"):
        raise RuntimeError("broken")


def test_command_exits_130_when_an_import_turns_the_interrupt_into_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def import_module(name: str) -> None:
        try:
            interrupt()
        except KeyboardInterrupt:
            raise ImportError("numpy failed to import") from None

    monkeypatch.setattr("paretune.search.cli.import_module", import_module)
    result = invoke("list", "samplers")
    assert (result.code, result.err) == (130, f"{STOPPED}\n")


def test_ignored_signal_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in a shell's background job
    interruption.watch_interrupts()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_interrupt_waits_for_the_end_of_a_short_block() -> None:
    interruption.watch_interrupts()
    done = []
    with pytest.raises(KeyboardInterrupt), interruption.deferred_interrupts():
        interrupt()
        done.append("closed")
    assert done == ["closed"]
    with interruption.deferred_interrupts():  # the earlier signal was raised
        done.append("again")
    with pytest.raises(KeyboardInterrupt):
        interrupt()


LATE = """
import atexit, os, signal, sys, time
from paretune.search import cli, interruption

def late():
    os.kill(os.getpid(), signal.{number})
    time.sleep(60)

interruption.stop_on_terminate()
sys.argv = ["paretune", *{arguments}]
atexit.register(late)
cli.main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize(
    ("arguments", "code", "text"), [(["list", "samplers"], 0, "tpe"), (["run", "gone.yaml"], 2, "")]
)
def test_signal_while_python_exits_leaves_no_traceback(
    tmp_path: Path, number: str, arguments: list[str], code: int, text: str
) -> None:
    script = LATE.format(number=number, arguments=arguments)
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert ended.returncode == code
    assert "Traceback" not in ended.stderr and "KeyboardInterrupt" not in ended.stderr
    assert text in ended.stdout
