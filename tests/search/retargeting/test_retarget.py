"""Stored models measured in other runtimes, with other options, on other machines."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from paretune.objectives.base import Measurement
from paretune.search.errors import UserError
from paretune.search.files import sha256_of
from paretune.search.retargeting.retarget import option_of
from paretune.search.retargeting.retarget_text import moved_record, retarget_info
from paretune.search.study.deployment import Deployment
from paretune.search.study.records import StudyRecord
from paretune.search.study.retarget_records import Retargeted, Retargeting
from paretune.search.study.tables import RUNTIMES
from paretune.spaces.training import loop
from support.studies import record_of

TRAINING = "paretune.search.building.resumable_training"
TRAINERS = ("train", "train_part")


@pytest.fixture(autouse=True)
def _untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever trains here fails."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("something is trained")

    for name in TRAINERS:
        monkeypatch.setattr(f"{TRAINING}.{name}", refuse)


def retargeted(cli: Any, file: Path, *options: object) -> dict[str, Any]:
    said = cli("retarget", file, *options, "--json")
    assert said.code == 0, said.err
    found: dict[str, Any] = json.loads(said.out)
    return found


# -- what is measured ----------------------------------------------------------------------------


def test_front_in_another_runtime_is_exported_measured_and_kept(
    finished: Path, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = record_of(finished)
    found = retargeted(cli, finished, "--runtime", "torchscript")
    assert (found["runtime"], found["options"]) == ("torchscript", {"threads": 1})
    assert {row["new"]["trial"] for row in found["rows"]} == before.members | {0}
    trials = {trial.number: trial for trial in before.trials}
    for row in found["rows"]:
        trial, new = trials[row["new"]["trial"]], row["new"]["validation"]
        file = finished.with_suffix("") / f"retargets/torchscript/trial-{trial.number:05d}.pt"
        assert new["size"]["value"] == file.stat().st_size
        assert new["latency"]["conditions"]["runtime"] == "torchscript"
        assert new["accuracy"]["conditions"]["runtime"] == "torchscript"
        assert row["was"]["latency"]["value"] == trial.values["latency"]
        assert abs(new["accuracy"]["value"] - trial.values["accuracy"]) < 0.02
        dynamic = "dynamic" in json.dumps(trial.plan)
        assert row["note"] == (
            "float32: torchscript has no dynamic" if dynamic else "exported anew"
        )
        assert "accuracy" in row["new"]["test"]
    assert record_of(finished) == before  # the study's own numbers stay as they are

    # Again: what is stored is shown, and the study is not even opened.
    with monkeypatch.context() as patch:
        patch.setattr("paretune.search.trial.stage_study.StageStudy", None)
        assert retargeted(cli, finished, "--runtime", "torchscript") == found
        said = cli("retarget", finished, "--runtime", "torchscript")
    assert said.code == 0, said.err
    for text in ("tiny: the front in torchscript (threads 1), measured", "was", "(baseline)"):
        assert text in said.out
    again = retargeted(cli, finished, "--runtime", "torchscript", "--trials", "0", "--again")
    assert again["measured_at"] > found["measured_at"]
    assert [row["new"]["trial"] for row in again["rows"]] == [0]


def test_other_options_measure_the_stored_file_itself(finished: Path, cli: Any) -> None:
    found = retargeted(cli, finished, "--threads", 2, "--trials", "1")
    assert found["options"] == {"provider": "cpu", "threads": 2}
    assert [row["note"] for row in found["rows"]] == ["the stored file"] * 2
    record = record_of(finished)
    for row in found["rows"]:
        trial = record.trials[row["new"]["trial"]]
        new = row["new"]["validation"]
        assert new["latency"]["conditions"]["threads"] == 2
        assert new["size"]["value"] == trial.values["size"]
        assert new["accuracy"]["value"] == trial.values["accuracy"]
    assert not (finished.with_suffix("") / "retargets").exists()


def test_study_that_was_copied_to_another_machine_is_measured_there(
    finished: Path, cli: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    here = retargeted(cli, finished, "--trials", "1")
    there = tmp_path / "elsewhere" / "copy"
    shutil.move(finished.with_suffix(""), there)
    facts = {"host": "other", "cpu": "another one", "cores": 64}
    monkeypatch.setattr("paretune.search.retargeting.retarget.fingerprint", lambda: facts)
    said = cli("retarget", there, "--trials", "1")
    assert said.code == 0, said.err
    assert "on another one, 64 cores" in said.out
    found = retargeted(cli, there, "--trials", "1")
    assert found["measured_at"] > here["measured_at"]
    assert found["host"]["cpu"] == "another one"


def test_trial_whose_stages_were_dropped_is_named_and_not_trained(finished: Path, cli: Any) -> None:
    folder = finished.with_suffix("")
    files = sorted((folder / "stages").glob("*.safetensors"), key=lambda f: f.stat().st_mtime_ns)
    for file in files[1:]:  # the first is the baseline's
        file.unlink()
    said = cli("retarget", finished, "--runtime", "torch_export", "--trials", "1")
    assert said.code == 0, said.err
    assert "trial 1: not measured: pretrain" in said.out
    assert "no longer in the stage cache, and nothing is trained here" in said.out
    files[0].unlink()
    said = cli("retarget", finished, "--runtime", "torch_export", "--again")
    assert said.code == 2 or "the stored file" not in said.out
    file = folder / "retargets" / "torch_export" / "trial-00000.pt2"
    file.unlink(missing_ok=True)
    said = cli("retarget", finished, "--runtime", "torch_export", "--again")
    assert said.code == 2
    assert "the baseline cannot be measured: pretrain of it: no longer in the stage" in said.err


def test_file_that_changed_or_is_gone_is_not_measured(finished: Path, cli: Any) -> None:
    artifacts = finished.with_suffix("") / "artifacts"
    with (artifacts / "trial-00001.onnx").open("ab") as file:
        file.write(b"x")
    (artifacts / "trial-00002.onnx").unlink(missing_ok=True)
    record = record_of(finished)
    names = ["1"] + ["2"] * (record.trials[2].artifact is not None)
    found = retargeted(cli, finished, "--threads", 2, "--trials", ",".join(names))
    assert "is not the one that the study measured" in found["skipped"]["1"]
    if "2" in names:
        assert found["skipped"]["2"] == "not measured: its file trial-00002.onnx is gone"


@pytest.mark.heavy
def test_static_int8_is_quantized_anew_by_the_other_runtime(tiny: Path, cli: Any) -> None:
    pytest.importorskip("openvino", reason="pip install 'paretune[openvino]'")
    tiny.write_text(tiny.read_text().replace("{choice: [none, dynamic]}", "static"))
    with pytest.MonkeyPatch.context() as patch:
        for name in TRAINERS:
            patch.setattr(f"{TRAINING}.{name}", getattr(loop, name))
        assert cli("run", tiny, "--trials", 1).code == 0
    found = retargeted(cli, tiny, "--runtime", "openvino", "--trials", "1")
    assert [row["note"] for row in found["rows"]] == ["exported anew"] * 2
    small = next(row for row in found["rows"] if row["new"]["trial"] == 1)
    artifact = tiny.with_suffix("") / "retargets" / "openvino" / "trial-00001.onnx"
    assert small["new"]["validation"]["size"]["value"] == artifact.stat().st_size
    stored = record_of(tiny).trials[1].artifact
    assert stored is not None and sha256_of(artifact) == stored["sha256"]


# -- mistakes ------------------------------------------------------------------------------------


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
        (["--option", "threads={"], "the value is no YAML"),
        (["--trials", "some"], "--trials some: give front, all, or numbers: 3,7"),
        (["--trials", "99"], "--trials: trial 99 has no model of its own"),
        (
            ["--target", "phone"],
            '--target: the study has no target "phone". Known: none',
        ),
    ],
)
def test_mistake_is_told(finished: Path, cli: Any, options: list[str], text: str) -> None:
    said = cli("retarget", finished, *options)
    assert said.code == 2
    assert text in said.err


def test_study_that_has_not_run_is_refused(tiny: Path, cli: Any) -> None:
    said = cli("retarget", tiny)
    assert said.code == 2
    assert "there is no study database" in said.err


def test_option_is_read_as_yaml() -> None:
    assert option_of("threads=2") == ("threads", 2)
    assert option_of("provider=cuda") == ("provider", "cuda")
    with pytest.raises(UserError, match="give a key and a value"):
        option_of("=2")


# -- the front there -----------------------------------------------------------------------------


def measured(name: str, value: float, unit: str) -> Measurement:
    better: Any = "higher" if unit == "fraction" else "lower"
    return Measurement(name, value, unit, better, value, value)


def moved(record: StudyRecord, latencies: dict[int, float], **source: Any) -> Retargeting:
    """The record with other latencies for some trials; NaN: it could not be measured."""
    deployment = Deployment(None, "torch", RUNTIMES.get("torch").Params())
    rows = {}
    for number, latency in latencies.items():
        new = {"latency": measured("latency", latency, "ms")}
        parts = {} if latency != latency else {"validation": new, "test": {}}
        rows[number] = Retargeted(number, "s", None, "torch", {}, "h", 5.0, "why", None, parts)
    changed = replace(record, source={**record.source, **source})
    return Retargeting(changed, deployment, rows, {"cpu": "a", "cores": 1})


def test_front_there_is_that_of_the_new_numbers(make_record: Any) -> None:
    record = make_record(40, 2)
    [*members] = sorted(record.members - {0})
    fast = {number: 1.0 + 0.01 * index for index, number in enumerate(members)}
    best = max(members, key=lambda n: record.trials[n].values["accuracy"])
    fast[best] = 0.5  # the most accurate is the fastest there: nothing else is on the front
    found = moved(record, {0: 2.0, **fast})
    assert moved_record(found).members == {best}
    info = retarget_info(found)
    assert [row.new.trial for row in info.rows][:2] == [0, best]
    by = {row.new.trial: row for row in info.rows}
    assert by[best].new.on_front and by[best].new.ratios["latency"] == pytest.approx(4.0)
    assert all(not by[n].new.on_front and by[n].was_on_front for n in members if n != best)
    assert by[best].was["latency"].value == record.trials[best].values["latency"]


def test_constraint_is_judged_against_the_baseline_there(make_record: Any) -> None:
    record = make_record(40, 2)
    number = min(record.members - {0})
    source = {"constraints": ["latency <= 0.5 x baseline"]}
    kept = moved_record(moved(record, {0: 4.0, number: 1.9}, **source))
    assert number in kept.members
    assert number not in moved_record(moved(record, {0: 3.0, number: 1.9}, **source)).members


def test_trial_that_could_not_be_measured_is_named_beside_the_table(make_record: Any) -> None:
    record = make_record(40, 2)
    number = min(record.members - {0})
    info = retarget_info(moved(record, {0: 2.0, number: float("nan")}))
    assert info.skipped == {number: "why"}
    assert [row.new.trial for row in info.rows] == [0]
