"""HostLock: real processes that train and measure on one host."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from paretune.objectives.calm import Wait, calm, without_waiting
from paretune.search.measuring.host_lock import OTHERS_MEASURE, HostLock

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is nothing to lock with")

TRAINER = """
import pathlib, sys, time
from paretune.search.measuring.host_lock import HostLock
from paretune.search.tasks.classification import classification
from paretune.spaces.base import Context
from paretune.spaces.rebuild import initial_candidate
from paretune.spaces.training.loop import train
from paretune.spaces.training.recipe import Recipe
import torch

torch.set_num_threads(1)
host_lock, log = HostLock(pathlib.Path(sys.argv[1])), open(sys.argv[2], "a", buffering=1)

class Noise:
    shape, task, loader_batch = (1, 8, 8), classification(3), None
    def size(self, part):
        return 10**6
    def batches(self, part, batch_size, *, seed=None, device="cpu"):
        while True:
            yield torch.randn(8, 1, 8, 8), torch.zeros(8, dtype=torch.int64)
            log.write(f"{time.monotonic()}\\n")

recipe = Recipe.model_validate({"epochs": 1, "batch_size": 8, "optimizer": {"sgd": {"lr": 1e-6}}})
with host_lock.working():
    candidate = initial_candidate({"simple_cnn": {"width": 0.0625}}, (1, 8, 8), 3, 0)
    context = Context(Noise(), yield_to_measurements=host_lock.breathe)
    train(candidate, recipe, context, stage="pretrain")
"""

MEASURER = """
import pathlib, sys, time
from paretune.search.measuring.host_lock import HostLock

with HostLock(pathlib.Path(sys.argv[1])).measuring() as alone:
    print(alone.value, flush=True)
    time.sleep(600)
"""


class Trainer:
    """A process that trains and writes down when each step was done."""

    def __init__(self, folder: Path, number: int) -> None:
        self.log = folder / f"steps-{number}"
        self.log.touch()
        self.process = subprocess.Popen([sys.executable, "-c", TRAINER, str(folder), str(self.log)])

    def steps(self) -> list[float]:
        *complete, _ = self.log.read_text().split("\n")
        return [float(line) for line in complete]


def until(fact: Callable[[], Any], what: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end, what
        time.sleep(0.02)


@pytest.fixture
def trainers(tmp_path: Path) -> Iterator[list[Trainer]]:
    started = [Trainer(tmp_path, number) for number in range(2)]
    yield started
    for trainer in started:
        trainer.process.kill()
        trainer.process.wait()


@pytest.mark.slow
def test_training_stops_while_another_process_measures(
    trainers: list[Trainer], tmp_path: Path
) -> None:
    """Two trainers stop between steps, go on after, and outlive a measurer that is killed."""
    for trainer in trainers:
        until(trainer.steps, "a trainer takes its first step")
    with HostLock(tmp_path).measuring() as alone:
        begun = time.monotonic()
        time.sleep(0.5)
        ended = time.monotonic()
        assert alone
        for trainer in trainers:
            assert not [step for step in trainer.steps() if begun <= step <= ended]
    for trainer in trainers:
        until(lambda t=trainer: t.steps()[-1] > ended, "a trainer goes on")  # type: ignore[misc]

    command = [sys.executable, "-c", MEASURER, str(tmp_path)]
    measurer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert measurer.stdout is not None
    assert measurer.stdout.readline().strip() == "True"
    before = [len(trainer.steps()) for trainer in trainers]
    time.sleep(0.2)
    assert [len(trainer.steps()) for trainer in trainers] == before
    os.kill(measurer.pid, signal.SIGKILL)
    measurer.wait()
    measurer.stdout.close()
    for trainer, count in zip(trainers, before, strict=True):
        until(lambda t=trainer, n=count: len(t.steps()) > n, "a kill frees it")  # type: ignore[misc]


def test_measurement_beside_work_without_steps_is_marked(tmp_path: Path) -> None:
    with HostLock(tmp_path).working(), HostLock(tmp_path).measuring(patience=0.05) as alone:
        assert not alone
    with HostLock(tmp_path).measuring(patience=0.05) as alone:
        assert alone


def test_measurement_that_does_not_wait_is_marked_and_so_is_the_other_one(tmp_path: Path) -> None:
    with HostLock(tmp_path).measuring() as alone:
        with without_waiting(), HostLock(tmp_path).measuring() as hurried:
            assert hurried.value is False
        assert alone.value is False  # it was alone when it began
    with HostLock(tmp_path).measuring() as alone:
        assert alone.value is True


def test_measurement_beside_one_that_did_not_wait_is_marked(tmp_path: Path) -> None:
    hurried, second = HostLock(tmp_path), HostLock(tmp_path)
    with ExitStack() as first:
        first.enter_context(HostLock(tmp_path).measuring())
        with without_waiting(), hurried.measuring():
            first.close()  # the gate is free, and the hurried one still measures
            with second.measuring() as alone:
                assert alone.value is False


def test_wait_for_other_measurements_has_a_limit_that_is_shown(tmp_path: Path) -> None:
    shown: list[Wait | None] = []
    with (
        HostLock(tmp_path).measuring(),
        calm.at_most(1.2),
        calm.shown_by(shown.append),
        HostLock(tmp_path).measuring() as alone,
    ):
        assert alone.value is False
    first, *_, last = shown
    assert first is not None and first.reason == OTHERS_MEASURE and last is None


def test_two_processes_work_at_once(tmp_path: Path) -> None:
    with HostLock(tmp_path).working(), HostLock(tmp_path).working():
        pass


def test_nested_work_and_measuring_keep_their_locks(tmp_path: Path) -> None:
    first, second = HostLock(tmp_path), HostLock(tmp_path)
    with first.working():
        with first.working():
            first.breathe()
        with first.measuring(patience=0.05) as alone, first.measuring(), first.working():
            first.breathe()
            assert alone
        with second.measuring(patience=0.05) as alone:
            assert not alone
    with second.measuring(patience=0.05) as alone:
        assert alone


def test_work_goes_on_when_the_lock_folder_is_read_only(tmp_path: Path) -> None:
    host_lock = HostLock(tmp_path / "missing")
    with host_lock.working():
        host_lock.breathe()
    with host_lock.measuring() as alone:
        assert not alone


def test_breathing_opens_no_file(tmp_path: Path) -> None:
    host_lock = HostLock(tmp_path)
    with host_lock.working():
        descriptors = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
        for _ in range(100):
            host_lock.breathe()
        assert not descriptors or len(os.listdir("/proc/self/fd")) == descriptors
