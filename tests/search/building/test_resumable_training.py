"""A training whose worker is killed goes on from its last snapshot, with the same weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from paretune.search.building import resumable_training
from paretune.search.building.resumable_training import SAVE_EVERY, SHARE
from paretune.search.running.runner import Runner
from paretune.search.study_file.loading import load_study
from paretune.search.trial.events import EpochDone, Event
from support.studies import record_of

STUDY = """\
study: lost
data: digits
baseline:
  architecture: {simple_cnn: {width: 0.25}}
  pretrain: {optimizer: {adam: {lr: 2e-3}}, epochs: 5, batch_size: 64, schedule: SCHEDULE}
space:
  architecture: {simple_cnn: {width: {choice: [0.0625, 0.125]}}}
  finetune: {epochs: 1, batch_size: 64}
objectives: {accuracy: maximize, size: minimize}
search: {trials: 1, seed: 1, format_variants: false}
"""

LOST = """\
import sys

from paretune.search.building import resumable_training
from paretune.search.running.runner import Runner
from paretune.search.study_file.loading import load_study
from paretune.search.trial.events import EpochDone
import torch

torch.set_num_threads(int(sys.argv[2]))
resumable_training.SAVE_EVERY = 0.0
resumable_training.SHARE = float("inf")


def report(event):
    if isinstance(event, EpochDone) and event.epoch == 4:
        print("in epoch 4", flush=True)
        time.sleep(600)


Runner(load_study(sys.argv[1]), report).run()
"""


def study_file(folder: Path, schedule: str) -> Path:
    folder.mkdir()
    file = folder / "lost.yaml"
    file.write_text(STUDY.replace("SCHEDULE", schedule))
    return file


def epochs_of(file: Path) -> list[int]:
    """Runs a study; returns the epochs of the baseline's training."""
    events: list[Event] = []
    Runner(load_study(file), events.append).run()
    return [e.epoch for e in events if isinstance(e, EpochDone) and e.trial == 0]


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["cosine", "constant"])  # the second one is endless
def test_killed_training_goes_on_from_its_last_epoch_with_the_same_weights(
    tmp_path: Path, schedule: str
) -> None:
    undisturbed, file = (study_file(tmp_path / name, schedule) for name in ("whole", "killed"))
    assert epochs_of(undisturbed) == [1, 2, 3, 4, 5]
    threads = str(torch.get_num_threads())  # weights depend on it
    command = [sys.executable, "-c", LOST, file, threads]
    lost = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert lost.stdout is not None
    assert lost.stdout.readline() == "in epoch 4\n"
    lost.kill()
    lost.wait()
    lost.stdout.close()
    trainings = file.with_suffix("") / "stages" / "trainings"
    assert [path.name.split(".")[1] for path in trainings.iterdir()] == ["000003"]
    assert epochs_of(file) == [4, 5]
    left = [path.name.split(".")[0][-8:] for path in trainings.iterdir()]
    assert "-running" not in left
    assert weights_of(file) == weights_of(undisturbed)
    assert [t.values for t in record_of(file).trials] == [
        t.values for t in record_of(undisturbed).trials
    ]


def weights_of(file: Path) -> dict[str, list[float]]:
    """Returns key of a stage and name of a tensor -> its values."""
    stages = file.with_suffix("") / "stages"
    return {
        f"{path.name} {name}": tensor.flatten().tolist()
        for path in stages.glob("*.safetensors")
        for name, tensor in load_file(path).items()
    }


class Kept:
    """A cache and a snapshot, of which writing takes some seconds."""

    def __init__(self, seconds: float) -> None:
        self.kept: list[str] = []
        self.seconds = seconds
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def keep(self, key: str, kind: str, snapshot: object) -> None:
        self.kept.append(key)
        self.now += self.seconds

    def forget(self, key: str, but: int) -> None:
        pass


@pytest.mark.parametrize(
    ("seconds", "pause"), [(0.1, SAVE_EVERY), (30.0, 30.0 / SHARE)], ids=["quick", "slow"]
)
def test_snapshot_is_due_after_some_time_and_takes_a_small_share(
    monkeypatch: pytest.MonkeyPatch, seconds: float, pause: float
) -> None:
    clock = Kept(seconds)
    monkeypatch.setattr(resumable_training, "time", clock)
    link = SimpleNamespace(digest="abc", stage=SimpleNamespace(kind="finetune"))
    progress = resumable_training._Progress(clock, link)  # type: ignore[arg-type]
    assert not progress.is_due()
    clock.now += SAVE_EVERY
    assert progress.is_due()
    progress.save(SimpleNamespace(epoch=3, state={}))  # type: ignore[arg-type]
    assert clock.kept == ["abc-running"]
    clock.now += pause - 1
    assert not progress.is_due()
    clock.now += 1.5
    assert progress.is_due()
