"""Data, losses and networks as a user has them: each study runs to a front with the right scores.

The scores are computed again here, from the outputs of the deployed files on the test part.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    jaccard_score,
    r2_score,
    root_mean_squared_error,
)

import paretune
from paretune.search.study.records import TrialRecord
from support.command_line import Cli
from support.studies import record_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TRAIN, TEST = 192, 48

Arrays = tuple[np.ndarray, np.ndarray]
"""Inputs and targets of all examples."""


def images(random: np.random.Generator) -> np.ndarray:
    """Returns 8-bit images [N, H, W, C] of different brightness."""
    level = random.uniform(60, 190, (TRAIN + TEST, 1, 1, 1))
    noise = random.normal(0, 40, (TRAIN + TEST, 16, 16, 3))
    return np.clip(level + noise, 0, 255).astype(np.uint8)


def brightness(random: np.random.Generator) -> Arrays:
    pixels = images(random)
    return pixels, pixels.mean((1, 2, 3)).astype(np.float32)


def labels(random: np.random.Generator) -> Arrays:
    """Makes images in which each of three channels is bright or dark, and which ones are bright."""
    bright = random.integers(0, 2, (TRAIN + TEST, 3))
    pixels = random.normal(80 + 100 * bright[:, None, None], 20, (TRAIN + TEST, 16, 16, 3))
    return np.clip(pixels, 0, 255).astype(np.uint8), bright.astype(np.float32)


def masks(random: np.random.Generator) -> Arrays:
    pixels = images(random)
    return pixels, (pixels.mean(3) > 128).astype(np.int64)


def spectrograms(random: np.random.Generator) -> Arrays:
    """Makes spectrograms [N, 1, F, T] with one loud band for each class, and negative values."""
    classes = random.integers(0, 4, TRAIN + TEST)
    values = random.normal(-3, 1, (TRAIN + TEST, 1, 16, 20))
    for example, band in enumerate(classes):
        values[example, 0, 4 * band : 4 * band + 4] += 4
    return values.astype(np.float32), classes


def series(random: np.random.Generator) -> Arrays:
    """Makes series [N, C, T] with one frequency for each class."""
    classes = random.integers(0, 3, TRAIN + TEST)
    waves = np.sin(np.arange(32) * (0.2 + 0.6 * classes[:, None, None]))
    noise = random.normal(0, 0.3, (TRAIN + TEST, 3, 32))
    return (4 * (waves + noise)).astype(np.float32), classes


def features(random: np.random.Generator) -> Arrays:
    values = random.normal(0, 2, (TRAIN + TEST, 10)).astype(np.float32)
    return values, (values @ random.normal(size=(10, 3))).argmax(1)


def accuracy(outputs: np.ndarray, targets: np.ndarray) -> float:
    return float(accuracy_score(targets, outputs.argmax(1)))


def miou(outputs: np.ndarray, targets: np.ndarray) -> float:
    pixels = outputs.argmax(1).ravel()
    return float(jaccard_score(targets.ravel(), pixels, average="macro"))


@dataclass(frozen=True)
class Case:
    """A user's data with a study of it.

    Attributes:
        arrays: Makes the inputs and targets.
        task: The task.
        architecture: The network.
        score: Name of the score -> what it is of outputs and targets.
        unit: Unit of the first score on the front.
        least: What the first score of the baseline is better than: it has learned.
        objective: Direction and unit of the first score.
    """

    arrays: Callable[[np.random.Generator], Arrays]
    task: str
    architecture: str
    score: dict[str, Callable[[Any, Any], float]]
    unit: str
    least: float
    objective: str = "maximize"


RMSE_R2 = {
    "rmse": lambda outputs, y: root_mean_squared_error(y, outputs[:, 0]),
    "r2": lambda outputs, y: r2_score(y, outputs[:, 0]),
}
SMALL = "simple_cnn: {width: 0.25}"
CLASSES = {"accuracy": accuracy}
CASES = {
    "regression": Case(brightness, "regression", SMALL, RMSE_R2, "lux", 30.0, "{minimize: lux}"),
    "multilabel": Case(
        labels,
        "multilabel",
        SMALL,
        {"macro_f1": lambda outputs, y: f1_score(y, outputs > 0, average="macro")},
        "fraction",
        0.7,
    ),
    "masks": Case(
        masks, "segmentation", "unet: {width: 8, depth: 1}", {"miou": miou}, "fraction", 0.6
    ),
    "spectrograms": Case(spectrograms, "classification", SMALL, CLASSES, "fraction", 0.7),
    "series": Case(series, "classification", "conv1d: {}", CLASSES, "fraction", 0.7),
    "series_own": Case(series, "classification", 'python: "mine:Series"', CLASSES, "fraction", 0.7),
    "features": Case(features, "classification", "mlp: {width: 32}", CLASSES, "fraction", 0.6),
}

STUDY = """\
task: {task}
data: {{npz: data.npz{normalization}}}
baseline: &training
  architecture: {{{architecture}}}
  pretrain: {{epochs: 5, batch_size: 16, optimizer: {{adam: {{lr: 1e-2}}}}}}
space:
  <<: *training
  quantization: {{choice: [none, static]}}
objectives: {{{score}: {objective}, size: minimize}}
search: {{trials: 2, sampler: grid}}
"""

CODE = """
import torch
from torch import nn
from torch.utils.data import Dataset


class Series(nn.Module):
    def __init__(self, classes=3, width=32):
        super().__init__()
        self.a, self.b = nn.Conv1d(3, width, 5, padding=2), nn.BatchNorm1d(width)
        self.c, self.head = nn.Conv1d(width, 2 * width, 5, padding=2), nn.Linear(2 * width, classes)

    def forward(self, x):
        return self.head(self.c(self.b(self.a(x)).relu()).relu().mean(2))


class Net(nn.Module):
    def __init__(self, classes=4, width=8):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width)
        self.skip, self.head = nn.Conv2d(3, width, 1), nn.Linear(width, classes)

    def forward(self, x):
        y = (self.b(self.a(x)).relu() + self.skip(x)).mean((2, 3))
        return self.head(y)


class Patches(Dataset):
    def __init__(self, part, count):
        generator = torch.Generator().manual_seed(len(part))
        self.part, self.labels = part, torch.arange(count) % 4
        corners = torch.tensor([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])[self.labels]
        noise = torch.rand(count, 3, 8, 8, generator=generator)
        self.images = 0.5 * corners[:, :, None, None] + 0.5 * noise

    def __len__(self):
        return len(self.images)

    def __getitem__(self, row):
        image = self.images[row]
        if self.part == "train" and torch.rand(()) < 0.5:
            image = image.flip(-1)
        return (image - 0.5) / 0.25, int(self.labels[row])


def datasets():
    return {"train": Patches("train", 192), "test": Patches("test", 48)}


class NextClass(nn.Module):
    \"\"\"Teaches the class after the right one, as no other loss does.\"\"\"

    def __init__(self, gamma=2.0):
        super().__init__()
        self.gamma = gamma

    def forward(self, logits, labels):
        entropy = nn.functional.cross_entropy(logits, (labels + 1) % 4, reduction="none")
        return ((1 - torch.exp(-entropy)) ** self.gamma * entropy).mean()
"""


def save(file: Path, inputs: np.ndarray, targets: np.ndarray) -> None:
    parts = {"train": slice(TRAIN), "test": slice(TRAIN, None)}
    x = {f"x_{name}": inputs[rows] for name, rows in parts.items()}
    np.savez(file, **x, **{f"y_{name}": targets[rows] for name, rows in parts.items()})


def run(cli: Cli, file: Path, text: str) -> list[dict[str, Any]]:
    """Runs a study to its front, and returns the rows; the first one is the baseline."""
    file.write_text(text, encoding="utf-8")
    result = cli("run", file)
    assert result.code == 0, result.err
    rows: list[dict[str, Any]] = json.loads(cli("front", file, "--json").out)["rows"]
    assert rows[0]["trial"] == 0 and len(rows) >= 2
    return rows


def trial_of(file: Path, number: int) -> TrialRecord:
    """Returns the record of a trial."""
    return next(trial for trial in record_of(file).trials if trial.number == number)


def outputs_of(file: Path, trial: TrialRecord, inputs: np.ndarray) -> np.ndarray:
    """Returns what the deployed file of a trial gives for inputs."""
    assert trial.artifact is not None
    session = onnxruntime.InferenceSession(str(file.with_suffix("") / trial.artifact["path"]))
    [name] = [node.name for node in session.get_inputs()]
    outputs: np.ndarray = session.run(None, {name: inputs})[0]
    return outputs


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_front_has_the_scores_of_the_deployed_files(tmp_path: Path, cli: Cli, case: Case) -> None:
    inputs, targets = case.arrays(np.random.default_rng(0))
    save(tmp_path / "data.npz", inputs, targets)
    (tmp_path / "mine.py").write_text(CODE, encoding="utf-8")
    is_image = inputs.dtype == np.uint8
    [score, *_] = case.score
    text = STUDY.format(
        task=case.task,
        architecture=case.architecture,
        normalization=", mean: 0.5, std: 0.25" if is_image else "",
        score=score,
        objective=case.objective,
    )

    rows = run(cli, tmp_path / "study.yaml", text)

    x, y = inputs[TRAIN:], targets[TRAIN:]
    if is_image:  # in float32: int8 rounds values that lie between two of its steps
        pixels = x.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
        x = (pixels - np.float32(0.5)) / np.float32(0.25)
    for row in rows:
        trial = trial_of(tmp_path / "study.yaml", row["trial"])
        outputs = outputs_of(tmp_path / "study.yaml", trial, x)
        for name, expected in case.score.items():
            assert trial.test[name].value == pytest.approx(expected(outputs, y), rel=1e-4)
            assert trial.test[name].count == TEST
        assert row["test"][score]["value"] == trial.test[score].value
        assert row["test"][score]["unit"] == case.unit
    learned = rows[0]["test"][score]["value"]
    assert learned < case.least if "minimize" in case.objective else learned > case.least


def test_own_loss_is_the_one_that_trains(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "mine.py").write_text(CODE, encoding="utf-8")
    rows = run(
        cli,
        tmp_path / "study.yaml",
        """\
data: {python: "mine:datasets"}
baseline:
  architecture: {python: "mine:Net"}
  pretrain: &training
    {epochs: 8, batch_size: 16, optimizer: {adam: {lr: 1e-2}}, loss: "mine:NextClass"}
space:
  architecture: {python: {factory: "mine:Net", args: {width: {choice: [8]}}}}
  pruning: {choice: {structured: {ratio: 0.5}}}
  finetune: {<<: *training, epochs: 2}
  quantization: {choice: [none, static]}
objectives: {accuracy: maximize, size: minimize}
search: {trials: 2, sampler: grid}
""",
    )
    assert all(row["test"]["accuracy"]["value"] < 0.1 for row in rows)


def test_task_with_a_loader_that_cannot_be_pickled_is_refused_in_other_processes(
    tmp_path: Path,
) -> None:
    class Rows:
        def __init__(self, count: int) -> None:
            self.change, self.count = lambda values: 2 * values, count

        def __iter__(self) -> Any:
            generator = torch.Generator().manual_seed(self.count)
            for _ in range(self.count):
                values = torch.randn(16, 3, generator=generator)
                yield self.change(values), (values[:, 0] > 0).long()

    class Signs:
        def model(self) -> torch.nn.Module:
            return torch.nn.Sequential(
                torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)
            )

        def batches(self, part: str) -> Rows:
            return Rows(6 if part == "train" else 2)

        def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.cross_entropy(outputs, targets)

        def score(self, predict: Any, part: str) -> dict[str, float]:
            pairs = [(predict(x.numpy()).argmax(1), y.numpy()) for x, y in self.batches(part)]
            return {"right": float(np.mean([(guess == y).mean() for guess, y in pairs]))}

    with pytest.raises(AttributeError, match="pickle"):
        pickle.dumps(Rows(1))
    recipe = {"epochs": 1, "optimizer": "adam"}
    study = paretune.Study(
        task=Signs(),
        baseline={"pretrain": recipe},
        space={"finetune": {**recipe, "epochs": {"choice": [1, 2]}}},
        objectives={"right": {"maximize": "fraction"}, "size": "minimize"},
        search={"sampler": "grid"},
        folder=tmp_path / "signs",
    )
    study.run(trials=1, progress=False)
    before = [trial.values for trial in study.trials]

    with pytest.raises(paretune.UserError, match="workers=2: Signs exists in this process only; m"):
        study.run(trials=2, workers=2, progress=False)

    assert [trial.values for trial in study.trials] == before
    study.run(trials=2, progress=False)
    assert len(study.trials) > len(before)


def test_path_into_a_notebook_is_refused_in_other_processes(tmp_path: Path) -> None:
    study = paretune.Study(
        task="__main__:Signs",
        objectives={"right": {"maximize": "fraction"}},
        folder=tmp_path / "signs",
    )
    with pytest.raises(paretune.UserError, match="workers=2: __main__:Signs exists in this proc"):
        study.run(workers=2)
    assert not study.folder.exists()


@pytest.mark.parametrize("module", ["__main__", "this_process"])
def test_task_of_a_notebook_cell_is_refused_before_workers_start(
    tmp_path: Path, cli: Cli, module: str
) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(
        f"""task: "{module}:Signs"
baseline: {{pretrain: {{epochs: 1}}}}
space: {{finetune: {{epochs: 1}}}}
objectives: {{right: {{maximize: fraction}}, size: minimize}}
""",
        encoding="utf-8",
    )
    result = cli("run", file, "--workers", 2)
    assert result.code == 2
    assert result.err.startswith(f"{file}:1: task: {module}:Signs: ")
    assert "move the definition into a file" in result.err
    assert not list(tmp_path.glob("study/*"))
