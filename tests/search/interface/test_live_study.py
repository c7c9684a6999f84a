"""Studies whose task, network or data exists in this process alone."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import paretune

CELL = """\
import torch
from torch import nn

WIDTH = 4

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        layers = nn.Flatten(), nn.Linear(16, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 3)
        self.layers = nn.Sequential(*layers)
    def forward(self, x):
        return self.layers(x)

def examples(part):
    draw = torch.Generator().manual_seed(len(part))
    answers = torch.randint(0, 3, (60,), generator=draw)
    return torch.randn(60, 1, 4, 4, generator=draw) + answers[:, None, None, None], answers

class Bright:
    def model(self):
        torch.manual_seed(0)
        return Net()
    def batches(self, part):
        return [examples(part)]
    def loss(self, outputs, answers):
        return nn.functional.cross_entropy(outputs, answers)
    def score(self, predict, part):
        pictures, answers = examples(part)
        return {"hits": (predict(pictures).argmax(1) == answers.numpy()).astype(float)}
"""

RECIPE = {"epochs": 1, "optimizer": {"adam": {"lr": 1e-2}}}

Cell = Callable[[str], dict[str, Any]]


@pytest.fixture
def cell() -> Cell:
    """Returns a function that executes a notebook cell, as a kernel does."""
    count = iter(range(99))

    def execute(text: str) -> dict[str, Any]:
        name = f"/tmp/ipykernel_0/{next(count)}.py"
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        namespace: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(text, name, "exec"), namespace)
        return namespace

    return execute


def bright(task: Any, folder: Path, trials: int = 1) -> paretune.Study:
    return paretune.Study(
        task=task,
        baseline={"pretrain": RECIPE},
        space={"finetune": {**RECIPE, "epochs": {"int": [1, 9]}}},
        objectives={"hits": "maximize", "size": "minimize"},
        search={"trials": trials, "sampler": "random", "format_variants": False},
        folder=folder,
    )


@pytest.mark.slow
def test_task_of_a_cell_runs_continues_and_is_refused_after_a_change(
    tmp_path: Path, cell: Cell
) -> None:
    bright(cell(CELL)["Bright"], tmp_path / "s").run(progress=False)
    again = bright(cell(CELL)["Bright"], tmp_path / "s", trials=2)  # as in a later process
    again.run(progress=False)
    assert [trial.state for trial in again.trials] == ["complete"] * 3
    assert again.trials[2].record.cached == ("pretrain",)

    changed = bright(cell(CELL.replace("WIDTH = 4", "WIDTH = 5"))["Bright"], tmp_path / "s", 3)
    with pytest.raises(paretune.UserError) as error:
        changed.run(progress=False)
    assert "content of this_process:Bright: was" in str(error.value)
    assert 'folder="NEW", and run(start_from="s")' in str(error.value)


@pytest.mark.slow
def test_unchanged_cell_is_taken_from_another_study_and_a_changed_one_trains_again(
    tmp_path: Path, cell: Cell
) -> None:
    old = bright(cell(CELL)["Bright"], tmp_path / "old")
    old.run(progress=False)
    same = bright(cell(CELL)["Bright"], tmp_path / "same")
    same.run(progress=False, start_from=old)
    assert "pretrain" in same.baseline.record.cached
    text = CELL.replace("WIDTH = 4", "WIDTH = 5")
    changed = bright(cell(text)["Bright"], tmp_path / "changed")
    changed.run(progress=False, start_from=old)
    assert changed.baseline.record.cached == ()


@pytest.mark.slow
def test_export_of_a_task_of_this_process_is_verified_without_its_score(
    tmp_path: Path, cell: Cell
) -> None:
    namespace = cell(CELL)
    study = bright(namespace["Bright"](), tmp_path / "s")  # an object, not the class
    study.run(progress=False)
    best = study.pick("knee")
    pictures, _ = namespace["examples"]("test")
    with torch.inference_mode():
        expected = best.model()(pictures).numpy()
    np.testing.assert_allclose(best.predict(pictures), expected, atol=1e-4)
    verification = best.export(tmp_path / "out", latency=False)
    assert verification.ok, verification.text()
    checked = paretune.verify(tmp_path / "out", latency=False)
    assert checked.ok
    assert "only the study has the task this_process:Bright that scores it" in checked.text()

    later = paretune.Study(tmp_path / "s")  # without the class
    assert len(later.front) == len(study.front)
    with pytest.raises(paretune.UserError, match="Bright was defined in a notebook or script"):
        later.pick("knee").predict(pictures)


@pytest.mark.slow
def test_network_with_its_weights_and_arrays_are_a_study(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 4))
    images = np.random.default_rng(0).random((80, 4, 4), "float32")
    study = paretune.Study(
        data={"x_train": images, "y_train": np.arange(80) % 4, "inputs": "images"},
        baseline=net,
        space={"quantization": {"choice": ["none", "dynamic"]}},
        objectives={"accuracy": "maximize", "size": "minimize"},
        folder=tmp_path / "s",
    )
    study.run(progress=False)
    inputs = torch.rand(3, 1, 4, 4)
    with torch.inference_mode():
        np.testing.assert_allclose(study.baseline.predict(inputs), net(inputs).numpy(), atol=1e-5)
