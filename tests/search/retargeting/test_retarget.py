"""`paretune retarget`: models of a study in other runtimes, with other options, on other hosts."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from paretune.objectives.accuracy import Accuracy
from paretune.objectives.base import Subject
from paretune.objectives.errors import Unmeasurable
from paretune.search.files import sha256_of
from paretune.search.front.final_front import with_final_front
from paretune.search.retargeting.artifacts import EXPORTED
from paretune.spaces.training import loop
from support.command_line import Cli
from support.studies import database_of, record_of

TRAINING = "paretune.search.building.resumable_training"
TRAINERS = ("train", "train_part")


@pytest.fixture(autouse=True)
def _no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes every training fail."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("something is trained")

    for name in TRAINERS:
        monkeypatch.setattr(f"{TRAINING}.{name}", refuse)


def retarget(cli: Cli, file: Path, *options: object) -> dict[str, Any]:
    result = cli("retarget", file, *options, "--json")
    assert result.code == 0, result.err
    table: dict[str, Any] = json.loads(result.out)
    return table


@pytest.mark.slow
def test_front_in_another_runtime_is_exported_measured_and_stored(
    finished: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = record_of(finished)
    before = with_final_front(stored)
    table = retarget(cli, finished, "--runtime", "torchscript")
    assert (table["runtime"], table["options"]) == ("torchscript", {"threads": 1})
    assert {row["new"]["trial"] for row in table["rows"]} == before.members | {0}
    trials = {trial.number: trial for trial in before.trials}
    for row in table["rows"]:
        trial, new = trials[row["new"]["trial"]], row["new"]["validation"]
        file = finished.with_suffix("") / f"retargets/torchscript/trial-{trial.number:05d}.pt"
        assert new["size"]["value"] == file.stat().st_size
        assert new["latency"]["conditions"]["runtime"] == "torchscript"
        assert new["accuracy"]["conditions"]["runtime"] == "torchscript"
        assert row["was"]["latency"]["value"] == trial.values["latency"]
        assert abs(new["accuracy"]["value"] - trial.values["accuracy"]) < 0.02
        dynamic = "dynamic" in json.dumps(trial.plan)
        assert row["note"] == ("float32: torchscript has no dynamic" if dynamic else EXPORTED)
        assert "accuracy" in row["new"]["test"]
    assert record_of(finished) == stored  # the study's own measurements stay as they are

    # The second time the stored measurements are shown, and the study is not even opened.
    with monkeypatch.context() as patch:
        patch.setattr("paretune.search.trial.stage_study.StageStudy", None)
        assert retarget(cli, finished, "--runtime", "torchscript") == table
        result = cli("retarget", finished, "--runtime", "torchscript")
    assert result.code == 0, result.err
    for text in ("tiny: the front in torchscript (threads 1), measured", "was", "(baseline)"):
        assert text in result.out
    again = retarget(cli, finished, "--runtime", "torchscript", "--trials", "0", "--again")
    assert again["measured_at"] > table["measured_at"]
    assert [row["new"]["trial"] for row in again["rows"]] == [0]


@pytest.mark.slow
def test_front_is_the_final_one(finished: Path, cli: Cli) -> None:
    """In the final session, a trial on the front of the search was slower than all others."""
    number = min(n for n in record_of(finished).members if n)
    worst = {"accuracy": 0.001, "latency": 1e6, "size": 1e9}
    with sqlite3.connect(database_of(finished)) as connection:
        connection.executemany(
            "update paretune_measurements set value = ?1, low = ?1, high = ?1 where trial = ?2 "
            "and part <> 'test' and name = ?3",
            [(value, number, name) for name, value in worst.items()],
        )
    connection.close()
    search = record_of(finished)
    final = with_final_front(search)
    assert number in search.members - final.members

    table = retarget(cli, finished, "--runtime", "torchscript")
    assert {row["new"]["trial"] for row in table["rows"]} == final.members | {0}
    assert all(row["was_on_front"] for row in table["rows"] if row["new"]["trial"])


def test_trial_whose_outputs_are_not_finite_there_is_skipped(
    finished: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = Accuracy.measure

    def overflow(subject: Subject, params: Any, part: str) -> Any:
        if subject.artifact.path.name == "trial-00001.pt":
            raise Unmeasurable("the outputs are not finite for 3 of 448 validation examples")
        return measure(subject, params, part)

    monkeypatch.setattr(Accuracy, "measure", staticmethod(overflow))
    table = retarget(cli, finished, "--runtime", "torchscript", "--trials", "1,2")
    reason = "not measured: the outputs are not finite for 3 of 448 validation examples"
    assert table["skipped"] == {"1": reason}
    assert [row["new"]["trial"] for row in table["rows"]] == [0, 2]


def test_stored_file_itself_is_measured_with_other_options(finished: Path, cli: Cli) -> None:
    table = retarget(cli, finished, "--threads", 2, "--trials", "1")
    assert table["options"] == {"provider": "cpu", "threads": 2}
    assert [row["note"] for row in table["rows"]] == ["the stored file"] * 2
    record = record_of(finished)
    for row in table["rows"]:
        trial = record.trials[row["new"]["trial"]]
        new = row["new"]["validation"]
        assert new["latency"]["conditions"]["threads"] == 2
        assert new["size"]["value"] == trial.values["size"]
        assert new["accuracy"]["value"] == trial.values["accuracy"]
    assert not (finished.with_suffix("") / "retargets").exists()


@pytest.mark.slow
def test_study_copied_to_another_machine_is_measured_there(
    finished: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    in_place = retarget(cli, finished, "--trials", "1")
    copy = tmp_path / "elsewhere" / "copy"
    shutil.move(finished.with_suffix(""), copy)
    facts = {"host": "other", "cpu": "another one", "cores": 64}
    monkeypatch.setattr("paretune.search.retargeting.retarget.fingerprint", lambda: facts)
    result = cli("retarget", copy, "--trials", "1")
    assert result.code == 0, result.err
    assert "on another one, 64 cores" in result.out
    in_copy = retarget(cli, copy, "--trials", "1")
    assert in_copy["measured_at"] > in_place["measured_at"]
    assert in_copy["host"]["cpu"] == "another one"


@pytest.mark.slow
def test_trial_with_dropped_stages_is_named_and_not_trained(finished: Path, cli: Cli) -> None:
    folder = finished.with_suffix("")
    files = sorted((folder / "stages").glob("*.safetensors"), key=lambda f: f.stat().st_mtime_ns)
    for file in files[1:]:  # the first is the baseline's
        file.unlink()
    result = cli("retarget", finished, "--runtime", "torch_export", "--trials", "1")
    assert result.code == 0, result.err
    assert "trial 1: not measured: its stages pretrain" in result.out
    reason = "must be trained again (no longer in the stage cache), and retarget trains nothing"
    assert reason in " ".join(result.out.split())
    files[0].unlink()
    result = cli("retarget", finished, "--runtime", "torch_export", "--again")
    assert result.code == 2 or "the stored file" not in result.out
    file = folder / "retargets" / "torch_export" / "trial-00000.pt2"
    file.unlink(missing_ok=True)
    result = cli("retarget", finished, "--runtime", "torch_export", "--again")
    assert result.code == 2
    assert f"the baseline cannot be measured: its stage pretrain {reason}" in result.err


def test_file_that_changed_or_is_gone_is_not_measured(finished: Path, cli: Cli) -> None:
    artifacts = finished.with_suffix("") / "artifacts"
    with (artifacts / "trial-00001.onnx").open("ab") as file:
        file.write(b"x")
    (artifacts / "trial-00002.onnx").unlink(missing_ok=True)
    record = record_of(finished)
    names = ["1"] + ["2"] * (record.trials[2].artifact is not None)
    table = retarget(cli, finished, "--threads", 2, "--trials", ",".join(names))
    assert "is not the one that the study measured" in table["skipped"]["1"]
    if "2" in names:
        assert table["skipped"]["2"] == "not measured: its file trial-00002.onnx is gone"


@pytest.mark.heavy
def test_static_int8_is_quantized_by_the_other_runtime(tiny: Path, cli: Cli) -> None:
    pytest.importorskip("openvino", reason="pip install 'paretune[openvino]'")
    tiny.write_text(tiny.read_text().replace("{choice: [none, dynamic]}", "static"))
    with pytest.MonkeyPatch.context() as patch:
        for name in TRAINERS:
            patch.setattr(f"{TRAINING}.{name}", getattr(loop, name))
        assert cli("run", tiny, "--trials", 1).code == 0
    table = retarget(cli, tiny, "--runtime", "openvino", "--trials", "1")
    assert [row["note"] for row in table["rows"]] == [EXPORTED] * 2
    small = next(row for row in table["rows"] if row["new"]["trial"] == 1)
    artifact = tiny.with_suffix("") / "retargets" / "openvino" / "trial-00001.onnx"
    assert small["new"]["validation"]["size"]["value"] == artifact.stat().st_size
    stored = record_of(tiny).trials[1].artifact
    assert stored is not None and sha256_of(artifact) == stored["sha256"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            ["--runtime", "opnvino"],
            '--runtime: unknown runtime "opnvino"; did you mean "openvino"?',
        ),
        (["--runtime", "tensorrt"], "--runtime tensorrt: cannot be used here: "),
        (["--option", "thread=2"], "--option thread: onnxruntime has no such option; did you mean"),
        (["--option", "threads"], "--option threads: give a key and a value: --option threads=2"),
        (["--option", "threads=x"], "--option threads: must be a valid integer"),
        (["--option", "threads={"], "the value is not YAML"),
        (["--trials", "some"], "--trials some: give front, all, or numbers: 3,7"),
        (["--trials", "99"], "--trials: trial 99 has no model of its own"),
        (
            ["--target", "phone"],
            '--target: the study has no target "phone". Known: none',
        ),
    ],
)
def test_wrong_option_is_refused_with_what_to_type(
    finished: Path, cli: Cli, options: list[str], text: str
) -> None:
    result = cli("retarget", finished, *options)
    assert result.code == 2
    assert text in result.err


def test_study_that_has_not_run_is_refused(tiny: Path, cli: Cli) -> None:
    result = cli("retarget", tiny)
    assert result.code == 2
    assert "there is no study database" in result.err
