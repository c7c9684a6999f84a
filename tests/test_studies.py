"""Every study that ships: it loads, and the quickstart does what the README promises."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
STUDIES = sorted((ROOT / "studies").glob("*.yaml"))


@pytest.mark.parametrize("file", STUDIES, ids=lambda f: f.stem)
def test_study_passes_check(file: Path, cli: Any) -> None:
    said = cli("check", file)
    assert said.code == 0, said.err


def copied(name: str, folder: Path) -> Path:
    """The study file in another folder, so that its database is not the user's."""
    return Path(shutil.copy(ROOT / "studies" / name, folder))


def test_quickstart_runs_when_shortened(tmp_path: Path, cli: Any) -> None:
    file = copied("quickstart.yaml", tmp_path)
    short = ["--set", "baseline.pretrain.epochs=1", "--set", "space.finetune.epochs=1"]
    said = cli("run", file, "--trials", 3, *short)
    assert said.code == 0, said.err
    rows = json.loads(cli("front", file, "--json").out)["rows"]
    assert rows[0]["trial"] == 0
    assert json.loads(cli("status", file, "--json").out)["done"] == 3


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_quickstart_finds_a_model_3_times_faster_and_5_times_smaller(
    tmp_path: Path, cli: Any
) -> None:
    """3.3x, 5x and one point of test accuracy are what a tutorial gets by hand."""
    file = copied("quickstart.yaml", tmp_path)
    assert cli("run", file).code == 0
    table = json.loads(cli("front", file, "--json").out)
    base, *front = table["rows"]
    assert len(front) >= 4
    least = base["test"]["accuracy"]["value"] - 0.01
    assert any(
        row["ratios"]["latency"] >= 3.3
        and row["ratios"]["size"] >= 5
        and row["test"]["accuracy"]["value"] >= least - 1e-9
        for row in front
    ), json.dumps(table, indent=1)


@pytest.mark.cifar
@pytest.mark.skipif("PARETUNE_CIFAR" not in os.environ, reason="PARETUNE_CIFAR names no folder")
def test_cifar10_study_runs_on_a_subset(tmp_path: Path, cli: Any) -> None:
    file = copied("cifar10.yaml", tmp_path)
    data = Path(os.environ["PARETUNE_CIFAR"]) / "cifar10_2k.npz"
    options = [
        f"data={{npz: {data}}}",
        "baseline.pretrain.epochs=1",
        "space.pretrain.epochs=1",
        "space.finetune.epochs=1",
        "constraints=[]",
    ]
    sets = [part for option in options for part in ("--set", option)]
    said = cli("run", file, "--trials", 3, *sets)
    assert said.code == 0, said.err
    base, *front = json.loads(cli("front", file, "--json").out)["rows"]
    assert base["test"]["accuracy"]["count"] == 1000
    assert front
