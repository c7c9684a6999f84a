"""Several targets in one study: each deploys, measures and keeps its own file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from paretune.search.errors import UserError
from paretune.search.files import sha256_of
from paretune.search.measuring.gauge import Gauge
from paretune.search.study_file.loading import load_study
from paretune.search.trial.resume_check import identity, refuse_changes
from paretune.search.trial.workbench import stored_artifact
from support.studies import record_of
from support.study_texts import TWO_TARGETS


@pytest.fixture(scope="module", name="done")
def done_fixture(tmp_path_factory: pytest.TempPathFactory, cli: Any) -> Path:
    """A finished study of two targets; dynamic int8 is what torchscript lacks."""
    file = tmp_path_factory.mktemp("targets") / "two.yaml"
    file.write_text(TWO_TARGETS)
    output = cli("run", file)
    assert output.code == 0, output.err
    return file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "two.yaml"
    file.write_text(TWO_TARGETS)
    return file


# -- a finished study ----------------------------------------------------------------------------


@pytest.mark.slow
def test_each_target_is_measured_on_its_own_file(done: Path) -> None:
    record = record_of(done)
    assert record.targets == ("a", "b")
    for trial in record.trials:
        assert {"accuracy@a", "latency@a", "latency@b", "size@a", "size@b"} <= set(
            trial.measurements
        )
        assert {"parameters", "macs"} <= set(trial.measurements)
        assert trial.artifact == trial.artifacts["a"]
        for target, runtime in (("a", "onnxruntime"), ("b", "torchscript")):
            stored = stored_artifact(trial, done.with_suffix(""), target)
            assert stored.runtime == runtime
            assert sha256_of(stored.path) == stored.sha256
            assert trial.measurements[f"size@{target}"].value == stored.path.stat().st_size
            assert trial.measurements[f"latency@{target}"].conditions["runtime"] == runtime
        assert set(trial.test) == {
            name for name in trial.measurements if name.startswith("accuracy")
        }


def test_target_without_the_quantization_takes_the_float_network_with_a_note(done: Path) -> None:
    trial = record_of(done).trials[1]
    assert "dynamic" in trial.artifacts["a"]["info"]["quantization"]
    assert trial.artifacts["b"]["info"]["note"] == "float32: torchscript has no dynamic"
    assert "note" not in trial.artifacts["a"]["info"]


def test_each_target_is_compared_with_its_own_baseline(done: Path) -> None:
    trial, base = record_of(done).trials[1], record_of(done).trials[0]
    for target in ("a", "b"):
        measured = trial.measurements[f"latency@{target}"]
        baseline_value = base.measurements[f"latency@{target}"]
        assert measured.conditions["relative_to"] == "baseline"
        assert measured.value == pytest.approx(measured.conditions["ratio"] * baseline_value.value)


def test_commands_show_the_quantities_of_targets(done: Path, cli: Any) -> None:
    shown = cli("show", done, 1)
    assert shown.code == 0, shown.err
    assert "latency@b" in shown.out and "size@b" in shown.out
    assert "b: artifacts/trial-00001.b.pt (float32: torchscript has no dynamic)" in shown.out
    front = cli("front", done)
    assert front.code == 0, front.err
    assert "latency@a" in front.out and "latency@b" in front.out
    rows = json.loads(cli("front", done, "--json").out)["rows"]
    assert {"accuracy@a", "latency@a", "latency@b", "size@a"} == set(rows[0]["validation"])
    assert cli("status", done).code == 0
    report = cli("report", done)
    page = Path(report.out.strip()).read_text()
    assert "latency@b" in page and "latency@a" in page


def test_goals_and_picks_take_plain_names_for_the_first_target(done: Path, cli: Any) -> None:
    folder = done.parent / "picked"
    output = cli("export", done, "--pick", "size <= 1 MB and latency@b <= 1000 ms", "-o", folder)
    assert output.code == 0, output.err
    assert json.loads((folder / "manifest.json").read_text())["artifacts"][0]["runtime"] == (
        "onnxruntime"
    )
    output = cli("export", done, "--pick", "size@c <= 1 MB", "-o", folder, "--force")
    assert output.code == 2
    assert "size@c" in output.err


def test_finished_study_goes_on_and_refuses_other_targets(done: Path) -> None:
    stored = json.loads(json.dumps(identity(load_study(done))))
    refuse_changes(stored, load_study(done))
    for change in (
        "targets={a: onnxruntime, b: torch}",
        "targets={b: torchscript, a: onnxruntime}",
    ):
        with pytest.raises(UserError, match="targets"):
            refuse_changes(stored, load_study(done, [change]))


def test_error_lists_the_artifacts_of_a_trial_that_lacks_the_target(done: Path) -> None:
    trial = record_of(done).trials[0]
    with pytest.raises(UserError, match=r'trial 0 has no target "c"\. Known: a, b\.'):
        stored_artifact(trial, done.with_suffix(""), "c")


# -- gauges --------------------------------------------------------------------------------------


def test_gauge_of_a_target_has_its_quantities_and_the_model_goes_with_the_first(
    file: Path,
) -> None:
    spec = load_study(file, ["objectives={accuracy: maximize, latency: {minimize: p90, batch: 2}}"])
    a, b = (dict(Gauge.of(spec, name, name == "a").quantities) for name in ("a", "b"))
    assert list(a) == ["parameters", "macs", "size", "latency", "accuracy"]
    assert list(b) == ["size"]
    spec = load_study(
        file,
        [
            "objectives={accuracy: maximize, latency: {minimize: p90, batch: 2}}",
            'constraints=["latency@b <= 1 ms"]',
        ],
    )
    bounded = dict(Gauge.of(spec, "b", False).quantities)
    assert bounded["latency"]["statistic"] == "p90" and bounded["latency"]["batch"] == 2


# -- elsewhere -----------------------------------------------------------------------------------


def test_retargeting_one_target_keeps_the_numbers_of_the_others(done: Path, cli: Any) -> None:
    output = cli("retarget", done, "--target", "b", "--runtime", "torch", "--trials", 1, "--json")
    assert output.code == 0, output.err
    content = json.loads(output.out)
    assert (content["target"], content["runtime"]) == ("b", "torch")
    trial = record_of(done).trials[1]
    new = next(row["new"] for row in content["rows"] if row["new"]["trial"] == 1)["validation"]
    assert new["latency@b"]["conditions"]["runtime"] == "torch"
    kept = trial.final.get("latency@a") or trial.measurements["latency@a"]
    assert new["latency@a"]["value"] == kept.value
    output = cli("retarget", done, "--target", "c")
    assert output.code == 2
    assert '--target: the study has no target "c". Known: a, b.' in output.err
