"""The section `track` of a study file."""

from __future__ import annotations

from pathlib import Path

import pytest

from paretune.search.study_file.loading import load_study
from support.studies import problems

STUDY = """\
study: tracked
data: digits
baseline: {architecture: simple_cnn, pretrain: {epochs: 1}}
space: {quantization: {choice: [none, dynamic]}}
objectives: {accuracy: maximize, size: minimize}
"""


def written(folder: Path, track: str) -> Path:
    file = folder / "tracked.yaml"
    file.write_text(f"{STUDY}track: {track}\n")
    return file


def test_trackers_have_their_options_and_defaults(tmp_path: Path) -> None:
    file = written(tmp_path, "{mlflow: {uri: 'http://localhost:5000'}, wandb: {mode: offline}}")
    first, second = load_study(file).trackers
    assert (first.name, dict(first.params)) == (
        "mlflow",
        {"uri": "http://localhost:5000", "experiment": None, "artifacts": True},
    )
    assert (second.name, second.params["mode"], second.params["project"]) == (
        "wandb",
        "offline",
        None,
    )


def test_address_may_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:5000")
    [tracker] = load_study(written(tmp_path, "{mlflow: {}}")).trackers
    assert tracker.params["uri"] is None


@pytest.mark.parametrize(
    ("track", "text"),
    [
        ("mlflow", "give trackers with their options, {mlflow: {}} or {wandb: {}}"),
        ("{mlfow: {}}", 'did you mean "mlflow"'),
        ("{mlflow: {}}", "give `uri`, such as http://localhost:5000, or set MLFLOW_TRACKING_URI"),
        ("{mlflow: 5000}", "give the tracker's options as a mapping, not 5000"),
        ("{mlflow: {uri: localhost}}", "give an address such as http://localhost:5000"),
        ("{mlflow: {uri: 'http://me:secret@host'}}", "a password does not belong in a study file"),
        ("{wandb: {mode: later}}", "online"),
        ("{wandb: {team: us}}", "unknown key"),
    ],
)
def test_section_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, track: str, text: str
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    [problem] = problems(written(tmp_path, track))
    assert problem.partition(": ")[0].endswith("tracked.yaml:6") and text in problem
    assert "secret" not in problem
