"""The study that goes on after an alarm: a tighter bound, or newer data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paretune.search.study_file.document import read_document
from paretune.search.study_file.loading import load_study
from support.command_line import Cli
from support.logged_exports import run_stream

STUDY = """\
# My study.
study: tiny
data: digits  # the old ones
baseline:
  architecture: {simple_cnn: {width: 0.25}}  # a small one
  pretrain: {epochs: 1}
space:
  architecture: {simple_cnn: {width: {choice: [0.0625, 0.125]}}}
  finetune: {epochs: 1}
objectives: {accuracy: maximize, latency: minimize, size: minimize}
constraints:
- size <= 1 MB
search: {trials: 6, seed: 1}
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study file of the export's name, next to the export."""
    file = tmp_path / "tiny.yaml"
    file.write_text(STUDY)
    return file


@pytest.fixture
def log(exported: Path, tmp_path: Path, test_images: Any) -> Path:
    """A log of calls that take four times as long as recorded, on darker images."""
    file = tmp_path / "calls.jsonl"
    run_stream(exported, file, (test_images[0][:60] * 0.6).astype(np.uint8))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    slow = [{**line, **({"seconds": 0.2} if "seconds" in line else {})} for line in lines]
    file.write_text("\n".join(map(json.dumps, slow)) + "\n")
    return file


def test_slower_calls_tighten_the_bound(cli: Cli, exported: Path, study: Path, log: Path) -> None:
    file = study.with_name("tiny-next.yaml")
    result = cli("monitor", exported, "--log", log, "--next", file)
    assert result.code == 1, result.err
    data = read_document(file).data
    assert data["constraints"] == ["size <= 1 MB", "latency <= 12.5 ms"]  # 50 ms / 4
    assert data["study"] == "tiny-next" and data["data"] == "digits"
    assert f"paretune run {file} --from {study}" in result.out
    text = file.read_text()
    assert text.startswith("# Goes on from tiny.yaml:\n# - latency <= 12.5 ms: calls on ")
    assert "# a small one" in text and "size <= 1 MB" in text
    checked = cli("check", file)
    assert checked.code == 0, checked.err
    assert load_study(str(file)).constraints[-1].text == "latency <= 12.5 ms"


def test_newer_data_replaces_the_old(cli: Cli, exported: Path, study: Path, log: Path) -> None:
    file = study.with_name("newer.yaml")
    arguments = ("--log", log, "--next", file, "--data", "images: photos-2026", "--json")
    result = json.loads(cli("monitor", exported, *arguments).out)
    data = read_document(file).data
    assert data["data"] == {"images": "photos-2026"}
    assert result["next_study"]["file"] == str(file) and len(result["next_study"]["changes"]) == 2
    assert cli("check", file).code == 0


def test_flow_style_is_written_anew(cli: Cli, exported: Path, study: Path, log: Path) -> None:
    study.write_text(json.dumps(read_document(study).data))
    file = study.with_name("next.yaml")
    cli("monitor", exported, "--log", log, "--next", file)
    old, new = read_document(study).data, read_document(file).data
    changed = {key for key in new if new[key] != old.get(key)}
    assert changed == {"study", "constraints"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--next", "{folder}/tiny.yaml"], "this file exists; give another name"),
        (["--next", "{folder}/sub/next.yaml"], "give a file in"),
        (["--next", "{folder}/next.txt"], "give a name that ends in .yaml"),
        (["--next", "{folder}/n.yaml", "--study", "{folder}/no.yaml"], "there is no such study"),
        (["--next", "{folder}/n.yaml", "--data", "nothing: [1"], "give the data as in a study"),
        (["--next", "{folder}/n.yaml", "--data", "photos"], "was not written, as it would have"),
        (["--data", "digits"], "give --next FILE, too"),
    ],
)
def test_wrong_next_study_is_refused_and_not_written(
    cli: Cli, exported: Path, study: Path, log: Path, options: list[str], words: str
) -> None:
    texts = [text.format(folder=study.parent) for text in options]
    result = cli("monitor", exported, "--log", log, *texts)
    assert result.code == 2 and words in result.err, result.err
    assert {each.name for each in study.parent.glob("*.yaml")} == {"tiny.yaml"}


def test_calm_log_changes_nothing(
    cli: Cli, exported: Path, study: Path, tmp_path: Path, test_images: Any
) -> None:
    calm = tmp_path / "calm.jsonl"
    run_stream(exported, calm, test_images[0][:60])
    result = cli("monitor", exported, "--log", calm, "--next", study.with_name("next.yaml"))
    assert result.code == 2 and "there is nothing to change" in result.err


def test_study_elsewhere_must_be_named(
    cli: Cli, exported: Path, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = cli("monitor", exported, "--log", log, "--next", tmp_path / "next.yaml")
    assert result.code == 2 and "the study tiny is not here; name its file: --study" in result.err
    shown = cli("monitor", exported, "--log", log)
    assert "paretune retarget STUDY --runtime onnxruntime" in shown.out
