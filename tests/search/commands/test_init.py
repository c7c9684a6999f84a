"""`paretune init`: what it writes, prints and refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from paretune.search.study_file.loading import load_study
from support.command_line import Cli

NET = '''\
"""A network of a user."""

import torch
from torch import nn


class Net(nn.Module):
    """Two convolutions."""

    def __init__(self, classes, width=16):
        super().__init__()
        self.first = nn.Conv2d(1, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        x = torch.relu(self.second(torch.relu(self.first(x))))
        return self.head(x.mean((2, 3)))
'''

TASK = '''\
"""A task of a user: the sum of four numbers."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Sums:
    """Has the four members of a task."""

    def model(self):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(),
                             nn.Linear(32, 1))

    def batches(self, part):
        seed = {"train": 0, "validation": 1, "test": 2}[part]
        numbers = torch.rand(256, 4, generator=torch.Generator().manual_seed(seed))
        return DataLoader(TensorDataset(numbers, numbers.sum(1, keepdim=True)), batch_size=32)

    def loss(self, outputs, sums):
        return nn.functional.mse_loss(outputs, sums)

    def score(self, predict, part):
        off = [abs(predict(x) - y.numpy())[:, 0] for x, y in self.batches(part)]
        return {"distance": torch.cat([torch.as_tensor(each) for each in off]).numpy()}
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Returns the current folder, with code and data of a user."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "initnet.py").write_text(NET)
    (tmp_path / "initsums.py").write_text(TASK)
    rng = np.random.default_rng(0)
    rows = [f"{x:.3f},{y:.3f},{2 * x - y:.3f}" for x, y in rng.normal(size=(300, 2))]
    (tmp_path / "table.csv").write_text("\n".join(["x,y,z", *rows]))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (("--data", "digits"), ("--model: is missing",)),
        (("--model", "simple_cnn"), ("--data: is missing",)),
        (("--model", "simple_cn", "--data", "digits"), ('did you mean "simple_cnn"?',)),
        (("--model", "simple_cnn", "--data", "images:nowhere"),
         ("--data images:nowhere: ", "there is no such folder")),
        (("--model", "simple_cnn", "--data", "digits", "--goal", "latency <= 5 kg"),
         ('--goal "latency <= 5 kg"', 'wrong unit "kg"; give ms, us, s')),
        (("--model", "simple_cnn", "--data", "digits", "--goal", "latencie <= 5 ms"),
         ('unknown objective "latencie"; did you mean "latency"?',)),
        (("--model", "simple_cnn", "--data", "digits", "--time", "soon"),
         ("--time soon: ", "give a time such as 2h")),
        (("--model", "simple_cnn", "--data", "digits", "--checkpoint", "no.pt"),
         ("--checkpoint no.pt: ", "there is no such file")),
        (("--model", "simple_cnn", "--data", "digits", "--runtime", "onnx"),
         ('--runtime onnx: ', 'unknown runtime "onnx"')),
        (("--model", "simple_cnn", "--data", "table:table.csv, target=z"),
         ("simple_cnn takes images, but the data is features",)),
        (("--model", "mlp", "--data", "table.csv"), ("--data 'table:table.csv, target=z'",)),
        (("--task", "initsums:Sum"), ("has no attribute 'Sum'",)),
        (("--task", "initsums:Sums", "--model", "resnet"), ("--model: leave it out",)),
        (("--model", "simple_cnn", "--data", "digits", "--goal", "latency <= -1 ms"),
         ('--goal "latency <= -1 ms": no latency is below 0',)),
        (("--model", "simple_cnn", "--data", "digits", "--goal", "latency <= 1 ms",
          "--goal", "latency >= 2 ms"), ("contradict each other; leave one of them out",)),
        (("--model", "simple_cnn", "--data", "digits", "--objective", "f1:maximize"),
         ("--objective f1:maximize: is for a score of your own task", "has accuracy")),
        (("--model", "simple_cnn", "--data", "digits", "--task", "segmentatoin"),
         ("--task segmentatoin: there is no such task", 'did you mean "segmentation"?')),
        (("--task", "initsums:Sums", "--objective", "distance"),
         ("--objective distance: give NAME:minimize",)),
        (("--model", "simple_cnn", "--data", "digits", "-o", "no/a.yaml"),
         ("there is no folder",)),
    ],
)  # fmt: skip
def test_wrong_input_exits_2_with_what_to_type(
    cli: Cli, folder: Path, arguments: tuple[str, ...], texts: tuple[str, ...]
) -> None:
    result = cli("init", *arguments)
    assert result.code == 2 and "Traceback" not in result.err
    for text in texts:
        assert text in result.err
    assert not list(folder.glob("*.yaml")) and not list(folder.glob(".*.part"))


def test_existing_file_is_kept(cli: Cli, folder: Path) -> None:
    (folder / "study.yaml").write_text("mine")
    result = cli("init", "--model", "simple_cnn", "--data", "digits")
    assert result.code == 2 and "add --force" in result.err
    assert (folder / "study.yaml").read_text() == "mine"


@pytest.mark.slow
def test_network_without_weights_gets_a_study_that_runs(cli: Cli, folder: Path) -> None:
    goals = ("--goal", "latency <= 0.5 x baseline", "--goal", "accuracy >= baseline - 1%")
    result = cli("init", "--model", "simple_cnn, width=0.5", "--data", "digits", *goals,
                 "--time", "15m", "-o", "first.yaml")  # fmt: skip
    assert result.code == 0, result.err
    assert len(result.out.splitlines()) < 15 and "next: paretune run first.yaml" in result.out
    study = yaml.safe_load((folder / "first.yaml").read_text())
    assert study["goals"] == [goals[1], goals[3]]
    assert study["constraints"] == ["accuracy >= baseline - 3%"]
    assert study["budget"] == {"time": "15m"} and study["search"]["trials"] >= 1
    assert "width" in study["space"]["architecture"]["simple_cnn"]
    assert study["space"]["pretrain"] == study["baseline"]["pretrain"]
    assert "flip" not in study["baseline"]["pretrain"].get("augment", {})
    assert cli("check", "first.yaml", "--full").code == 0
    once = ("--set", "baseline.pretrain.epochs=1", "--set", "space.pretrain.epochs=1")
    run = cli("run", "first.yaml", "--trials", 2, *once, "--set", "search.format_variants=false")
    assert run.code == 0, run.err


@pytest.mark.slow
def test_checkpoint_is_scored_and_finetuned(cli: Cli, folder: Path) -> None:
    import sys

    import torch

    sys.path.insert(0, str(folder))
    from initnet import Net  # type: ignore[import-not-found]

    torch.save(Net(10).state_dict(), folder / "net.pt")
    result = cli("init", "--model", "initnet:Net", "--data", "digits",
                 "--checkpoint", "net.pt", "--json")  # fmt: skip
    assert result.code == 0, result.err
    told = json.loads(result.out)
    facts = told["facts"]
    assert facts["weights"] == "checkpoint" and 0 <= facts["score"]["value"] <= 1
    assert facts["epoch"] > 0 and facts["latency"] > 0
    works = {t["option"] for t in facts["tried"] if t["section"] == "quantization"
             and t["refusal"] is None}  # fmt: skip
    offered = set(told["study"]["space"]["quantization"]["choice"]) - {"none"}
    assert offered <= works
    for tried in facts["tried"]:
        if tried["option"] in offered and not tried["params"]:
            assert tried["low"] <= 1.02
    assert "pretrain" not in told["study"]["baseline"]
    assert told["profile"]["numbers"] and told["estimate"]["trials"] == 40
    assert "space.pruning.choice.structured" in told["reasons"]
    assert cli("check", "study.yaml").code == 0


@pytest.mark.slow
def test_checkpoint_that_does_not_fit_is_refused(cli: Cli, folder: Path) -> None:
    import torch

    torch.save({"a": torch.zeros(3)}, folder / "net.pt")
    result = cli("init", "--model", "initnet:Net", "--data", "digits", "--checkpoint", "net.pt")
    assert result.code == 2 and result.err.splitlines()[-1].startswith("--checkpoint net.pt: ")
    assert "does not fit the architecture" in result.err


@pytest.mark.slow
def test_time_for_less_than_one_trial_is_refused(cli: Cli, folder: Path) -> None:
    result = cli("init", "--model", "simple_cnn, width=0.25", "--data", "digits", "--time", "2s")
    assert result.code == 2 and "--time 2s: is too short" in result.err
    assert "an epoch takes" in result.err and re.search(r"--time \d+m", result.err)


@pytest.mark.slow
def test_table_tells_its_task(cli: Cli, folder: Path) -> None:
    result = cli("init", "--model", "mlp, width=32", "--data", "table:table.csv, target=z")
    assert result.code == 0, result.err
    study = yaml.safe_load((folder / "study.yaml").read_text())
    assert study["task"] == "regression"
    assert next(iter(study["objectives"].items())) == ("rmse", "minimize")
    assert load_study("study.yaml").trials == 40


@pytest.mark.slow
def test_masks_tell_their_task(cli: Cli, folder: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    for name in ("images", "masks"):
        (folder / "scenes" / name).mkdir(parents=True)
    for number in range(40):
        mask = np.zeros((16, 16), np.uint8)
        mask[4:10, 4:12] = 1
        image = (rng.normal(100, 20, (16, 16, 3)) + 80 * mask[:, :, None]).clip(0, 255)
        Image.fromarray(image.astype(np.uint8)).save(folder / f"scenes/images/{number}.png")
        Image.fromarray(mask).save(folder / f"scenes/masks/{number}.png")
    result = cli("init", "--model", "unet, width=8, depth=2", "--data", "masks:scenes")
    assert result.code == 0, result.err
    study = yaml.safe_load((folder / "study.yaml").read_text())
    assert study["task"] == "segmentation" and "miou" in study["objectives"]


@pytest.mark.slow
def test_own_task_gets_its_score_as_objective(cli: Cli, folder: Path) -> None:
    result = cli("init", "--task", "initsums:Sums", "--goal", "latency <= 0.9 x baseline")
    assert result.code == 0, result.err
    study = yaml.safe_load((folder / "study.yaml").read_text())
    assert study["objectives"]["distance"] == "minimize" and "data" not in study
    assert "batch_size" not in study["space"]["finetune"]
    wrong = cli("init", "--task", "initsums:Sums", "--goal", "eror <= 1.1 x baseline", "--force")
    assert wrong.code == 2 and "it gives distance" in wrong.err


@pytest.mark.slow
def test_network_of_a_library_is_trained_from_scratch(cli: Cli, folder: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    for label, colour in {"leaf": (40, 180, 60), "sky": (60, 90, 200)}.items():
        (folder / "photos" / label).mkdir(parents=True)
        for number in range(40):
            image = (rng.normal(0, 40, (32, 32, 3)) + np.array(colour)).clip(0, 255)
            Image.fromarray(image.astype(np.uint8)).save(folder / f"photos/{label}/{number}.png")
    blocks = "[[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 2, 2]]"  # of the 17, so that it is quick
    args = f"{{width_mult: 0.25, inverted_residual_setting: {blocks}}}"
    model = f"{{torchvision: mobilenet_v2, args: {args}}}"
    result = cli("init", "--model", model, "--data", "photos", "--time", "1h")
    assert result.code == 0, result.err
    study = yaml.safe_load((folder / "study.yaml").read_text())
    assert study["baseline"]["pretrain"]["augment"]["flip"] is True
    assert "architecture" not in study["space"] and "pretrain" not in study["space"]
    assert study["space"]["pruning"]["choice"].keys() >= {"none", "structured", "depth"}
