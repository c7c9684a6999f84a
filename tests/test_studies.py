"""Each study in studies/ loads and runs; tests/test_docs.py runs the quickstart to its end."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
STUDIES = sorted((ROOT / "studies").glob("*.yaml"))


@pytest.mark.parametrize("file", STUDIES, ids=lambda f: f.stem)
def test_study_passes_check(file: Path, cli: Any) -> None:
    result = cli("check", file)
    assert result.code == 0, result.err


def copy_study(name: str, folder: Path) -> Path:
    """Copies a study file to another folder, for another database; returns the copy."""
    return Path(shutil.copy(ROOT / "studies" / name, folder))


def test_quickstart_runs_when_shortened(tmp_path: Path, cli: Any) -> None:
    file = copy_study("quickstart.yaml", tmp_path)
    short = ["--set", "baseline.pretrain.epochs=1", "--set", "space.finetune.epochs=1"]
    result = cli("run", file, "--trials", 3, *short, "--set", "search.format_variants=false")
    assert result.code == 0, result.err
    rows = json.loads(cli("front", file, "--json").out)["rows"]
    assert rows[0]["trial"] == 0
    assert json.loads(cli("status", file, "--json").out)["done"] == 3


@pytest.mark.cifar
@pytest.mark.skipif("PARETUNE_CIFAR" not in os.environ, reason="PARETUNE_CIFAR names no folder")
def test_cifar10_study_runs_on_a_subset(tmp_path: Path, cli: Any) -> None:
    file = copy_study("cifar10.yaml", tmp_path)
    data = Path(os.environ["PARETUNE_CIFAR"]) / "cifar10_2k.npz"
    options = [
        f"data={{npz: {data}}}",
        "baseline.pretrain.epochs=1",
        "space.pretrain.epochs=1",
        "space.finetune.epochs=1",
        "constraints=[]",
    ]
    sets = [part for option in options for part in ("--set", option)]
    result = cli("run", file, "--trials", 3, *sets)
    assert result.code == 0, result.err
    base, *front = json.loads(cli("front", file, "--json").out)["rows"]
    assert base["test"]["accuracy"]["count"] == 1000
    assert front


SHORT = [
    "data=digits",
    "constraints=[]",
    "goals=[]",
    "baseline.pretrain.epochs=1",
    "space.pretrain.epochs=1",
    "space.finetune.epochs=1",
    "objectives.latency.seconds=0.2",
    "search.format_variants=false",
]
"""Overrides for one epoch on small images."""

SMALL_VIT = "{patch: 4, depth: 2, heads: 2, width: 32}"

SMALL_NETWORKS = {
    "cifar10-full": [
        "baseline.architecture.resnet={blocks: 1, width: 8}",
        "teachers.wide.architecture.resnet={blocks: 1, width: 16}",
        "teachers.wide.pretrain.epochs=1",
        "space.architecture={choice: {resnet: {blocks: 1, width: {choice: [8, 16]}}, staged: "
        "{stages: [{width: 8, kernel: {choice: [3, 5]}}, {width: 16, se: true}]}}}",
    ],
    "vit": [
        f"baseline.architecture.vit={SMALL_VIT}",
        "space.architecture.vit={patch: 4, depth: {choice: [2, 3]}, heads: 2, width: 32}",
        "space.pruning.choice.depth.blocks=1",
    ],
}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", SMALL_NETWORKS)
def test_study_runs_when_shortened(name: str, tmp_path: Path, cli: Any) -> None:
    file = copy_study(f"{name}.yaml", tmp_path)
    sets = [part for option in (*SHORT, *SMALL_NETWORKS[name]) for part in ("--set", option)]
    result = cli("run", file, "--trials", 4, *sets)
    assert result.code == 0, result.err
    states = json.loads(cli("status", file, "--json").out)["states"]
    assert sum(states.values()) == 4
    assert "failed" not in states
    assert states["complete"] >= 2


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_transfer_study_runs_on_photos_with_weights_in_the_cache_of_torchvision(
    tmp_path: Path, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The images are real files; the weights are where torchvision keeps downloaded files."""
    import torch
    from torchvision import models

    from paretune.search.data.digits import DigitsData

    checkpoints = tmp_path / "torch" / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    weights = models.MobileNet_V3_Small_Weights.DEFAULT
    torch.manual_seed(0)
    file_name = weights.url.rsplit("/", 1)[1]
    torch.save(models.mobilenet_v3_small().state_dict(), checkpoints / file_name)
    part = DigitsData.load(DigitsData.Params(), tmp_path).parts["train"]
    for index in range(120):
        label = int(part.labels[index])
        (tmp_path / "photos" / str(label)).mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(part.images[index, 0]).resize((32, 32))
        image.save(tmp_path / "photos" / str(label) / f"{index}.png")
    file = copy_study("transfer.yaml", tmp_path)
    network = "{torchvision: mobilenet_v3_small, weights: DEFAULT}"
    options = [
        *(option for option in SHORT if not option.startswith("data")),
        f"data={{images: {tmp_path / 'photos'}, size: 32}}",
        "baseline.pretrain.epochs=2",
        "baseline.pretrain.freeze_epochs=1",
        "space.pretrain.epochs=2",
        "space.pretrain.freeze_epochs=1",
        f"baseline.architecture={network}",
        f"space.architecture={network}",
    ]
    sets = [part for option in options for part in ("--set", option)]
    result = cli("run", file, "--trials", 2, *sets)
    assert result.code == 0, result.err
    assert json.loads(cli("status", file, "--json").out)["states"] == {"complete": 2}


SHORT_TEXT = [
    "baseline.pretrain.epochs=1",
    "space.finetune.epochs=1",
    "space.architecture.text_transformer.layers={choice: [1]}",
    "baseline.architecture.text_transformer.layers=1",
    "constraints=[]",
]


def run_text_study(folder: Path, data: str, cli: Any) -> list[Any]:
    """Runs a shortened text study on other texts; returns the rows of its front."""
    file = copy_study("text.yaml", folder)
    sets = [part for option in (f"data={data}", *SHORT_TEXT) for part in ("--set", option)]
    result = cli("run", file, "--trials", 2, *sets)
    assert result.code == 0, result.err
    rows: list[Any] = json.loads(cli("front", file, "--json").out)["rows"]
    return rows


@pytest.mark.slow
def test_text_study_runs_on_another_table(tmp_path: Path, cli: Any) -> None:
    lines = [
        f"{'warm' if i % 2 else 'cold'},{['snow', 'sun'][i % 2]} on day {i}" for i in range(90)
    ]
    (tmp_path / "mine.csv").write_text("\n".join(["kind,text", *lines]))
    base, *front = run_text_study(tmp_path, "{text: mine.csv, label: kind}", cli)
    assert base["test"]["accuracy"]["count"] == 18
    assert front


@pytest.mark.reviews
@pytest.mark.skipif("PARETUNE_REVIEWS" not in os.environ, reason="PARETUNE_REVIEWS names no file")
def test_text_study_runs_on_movie_reviews(tmp_path: Path, cli: Any) -> None:
    lines = Path(os.environ["PARETUNE_REVIEWS"]).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 10_569
    (tmp_path / "some.tsv").write_text("\n".join(lines[:2001]), encoding="utf-8")
    base, *front = run_text_study(tmp_path, "{text: some.tsv}", cli)
    assert base["test"]["accuracy"]["count"] == 400
    assert front
