"""Exports: checked before they are handed out, in several formats, or refused."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from support.studies import database_of


def manifest_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return content


def results_of(folder: Path) -> dict[str, dict[str, Any]]:
    """Returns check -> result, as the manifest has them."""
    return {result["check"]: result for result in manifest_of(folder)["verified"]["results"]}


def change(study: Path, statement: str) -> None:
    """Changes the database of a study."""
    with sqlite3.connect(database_of(study)) as database:
        assert database.execute(statement).rowcount


def test_export_is_checked_in_a_clean_process_against_the_study(
    exported: Path, printed: str
) -> None:
    results = results_of(exported)
    assert {"opset", "preprocessing", "outputs", "network", "accuracy", "latency"} <= set(results)
    assert all(result["ok"] for result in results.values())
    accuracy = results["accuracy"]["numbers"]
    assert accuracy["actual"]["value"] == accuracy["recorded"]["value"]
    assert (accuracy["part"], accuracy["actual"]["count"]) == ("test", 450)
    assert results["outputs"]["numbers"]["largest"] < 1e-5
    assert results["network"]["numbers"]["agreement"] > 0.9
    assert results["latency"]["numbers"]["actual"]["value"] > 0
    assert re.search(r"^all \d+ checks passed; to repeat: paretune verify ", printed, re.MULTILINE)


@pytest.mark.slow
def test_other_formats_are_checked_against_the_network(finished: Path, cli: Any) -> None:
    formats, folder = "onnx,torchscript,torch,torch_export", finished.parent / "others"
    result = cli("export", finished, "--pick", "1", "--to", formats, "-o", folder, "--no-latency")
    assert result.code == 0, result.out + result.err
    assert "measured on the study's own file" not in result.out
    manifest = manifest_of(folder)
    files = [artifact["file"] for artifact in manifest["artifacts"]]
    expected = ["model.onnx", "model.pt", "model.torch.pt2", "model.torch_export.pt2"]
    assert sorted(files) == sorted(expected)
    for artifact in manifest["artifacts"]:
        results = [
            result
            for result in manifest["verified"]["results"]
            if result["file"] == artifact["file"] and result["check"] in ("network", "accuracy")
        ]
        assert results[0]["check"] == "network"
        assert artifact["expected"]["test"]["accuracy"]["count"] == 450
        if not artifact["formats"]:
            assert results[0]["numbers"]["largest"] < 1e-3
    verified = cli("verify", folder, "--no-latency")
    assert verified.code == 0, verified.out
    assert "checks passed" in verified.out


@pytest.mark.heavy
def test_study_in_openvino_exports_its_own_file_and_quantizes_others(tiny: Path, cli: Any) -> None:
    pytest.importorskip("openvino", reason="pip install 'paretune[openvino]'")
    text = tiny.read_text().replace(
        "quantization: {choice: [none, dynamic]}", "quantization: static"
    )
    tiny.write_text(text + "runtime: openvino\n")
    result = cli("run", tiny, "--trials", 1)
    assert result.code == 0, result.err
    own, other = tiny.parent / "own", tiny.parent / "other"
    result = cli("export", tiny, "--pick", "1", "-o", own, "--no-latency")
    assert result.code == 0, result.out + result.err
    [artifact] = manifest_of(own)["artifacts"]
    assert (artifact["runtime"], artifact["measured"]) == ("openvino", True)
    result = cli(
        "export", tiny, "--pick", "1", "--to", "onnx,torchscript", "-o", other, "--no-latency"
    )
    assert result.code == 0, result.out + result.err
    assert "static, quantized for this format; accuracy" in result.out
    assert "float32, not quantized; accuracy" in result.out
    for folder in (own, other):
        assert cli("verify", folder, "--no-latency").code == 0


# -- failed checks -------------------------------------------------------------------------------


def test_export_fails_with_the_numbers_when_the_accuracy_differs(finished: Path, cli: Any) -> None:
    for part in ("test", "validation"):
        change(
            finished,
            "update paretune_measurements set value = 0.999, low = 0.998, high = 1.0 "
            f"where name = 'accuracy' and part = '{part}' and trial > 0",
        )
    folder, unverified = finished.parent / "wrong", finished.parent / "wrong.unverified"
    result = cli("export", finished, "--pick", "knee", "-o", folder, "--no-latency")
    assert result.code == 1
    assert "recorded 99.90 % (95 % interval 99.8-100.0 %)" in result.out
    assert f"check failed; the files are in {unverified}" in result.out
    assert not folder.exists()
    assert not manifest_of(unverified)["verified"]["ok"]
    assert "A CHECK FAILED" in (unverified / "MODEL_CARD.md").read_text()
    assert not [file for file in finished.parent.iterdir() if file.name.startswith(".wrong")]


def test_export_fails_when_the_latency_is_far_from_the_recorded_one(
    finished: Path, cli: Any
) -> None:
    change(
        finished,
        "update paretune_measurements set value = value / 1e6, low = low / 1e6, high = high / 1e6 "
        "where name = 'latency' and trial > 0",
    )
    folder = finished.parent / "slow"
    result = cli("export", finished, "--pick", "knee", "-o", folder)
    assert result.code == 1
    assert "the 95 % intervals are " in result.out
    assert not folder.exists()


def test_export_fails_when_the_measured_file_has_changed(finished: Path, cli: Any) -> None:
    for file in (finished.with_suffix("") / "artifacts").iterdir():
        file.write_bytes(file.read_bytes() + b"x")
    folder = finished.parent / "x"
    result = cli("export", finished, "--pick", "1", "-o", folder, "--no-latency")
    assert result.code == 1
    assert "has changed since it was measured: its sha256 is " in result.out
    assert not folder.exists() and not folder.with_name("x.unverified").exists()


def test_export_warns_when_the_trained_stages_are_gone(finished: Path, cli: Any) -> None:
    shutil.rmtree(finished.with_suffix("") / "stages")
    folder = finished.parent / "x"
    result = cli("export", finished, "--pick", "1", "-o", folder, "--no-latency")
    assert result.code == 0, result.out
    assert "not compared: the trained stages of the network are gone" in result.out
    assert results_of(folder)["network"]["level"] == "warning"


def test_trial_without_test_measurements_is_checked_on_the_validation_part(
    finished: Path, cli: Any
) -> None:
    change(finished, "delete from paretune_measurements where part = 'test' and trial > 0")
    folder = finished.parent / "x"
    result = cli(
        *("export", finished, "--pick", "1", "-o", folder),
        *("--without-baseline", "--no-latency", "--verbose"),
    )
    assert result.code == 0, result.out
    assert "on 448 validation examples, recorded" in result.out
    assert "on 450 test examples; none was recorded" in result.out
    manifest = manifest_of(folder)
    assert manifest["artifacts"][0]["expected"]["test"]["accuracy"]["count"] == 450
    assert manifest["baseline_artifact"] is None and not (folder / "baseline").exists()
    result = cli("verify", folder)
    assert result.code == 0 and "the baseline's file was not exported" in result.out


# -- refused exports -----------------------------------------------------------------------------


def test_export_refuses_a_folder_that_is_not_empty(
    exported: Path, finished: Path, cli: Any
) -> None:
    (exported / "mine.txt").write_text("stays")
    result = cli("export", finished, "-o", exported, "--no-latency")
    assert result.code == 2
    assert "not empty" in result.err
    assert cli("export", finished, "-o", exported, "--force", "--no-latency").code == 0
    assert (exported / "mine.txt").read_text() == "stays"


def test_export_refuses_a_folder_that_a_failed_export_would_replace(
    finished: Path, cli: Any
) -> None:
    (finished.parent / "x.unverified").mkdir()
    result = cli("export", finished, "-o", finished.parent / "x", "--no-latency")
    assert result.code == 2
    assert "is for a failed export, but holds something else; move it away" in result.err


def test_export_refuses_an_unknown_format(finished: Path, cli: Any) -> None:
    result = cli("export", finished, "--to", "onxx", "-o", finished.parent / "x", "--no-latency")
    assert result.code == 2
    assert '"onxx"' in result.err and "onnx" in result.err


def test_export_refuses_a_measured_file_that_is_gone(finished: Path, cli: Any) -> None:
    for file in (finished.with_suffix("") / "artifacts").iterdir():
        file.unlink()
    result = cli("export", finished, "--pick", "1", "-o", finished.parent / "x", "--no-latency")
    assert result.code == 2
    assert "the measured file is gone; run the study again" in result.err


def test_export_refuses_a_condition_that_no_trial_meets(finished: Path, cli: Any) -> None:
    result = cli(
        "export",
        finished,
        "--pick",
        "latency <= 0.000001 ms",
        "-o",
        finished.parent / "x",
        "--no-latency",
    )
    assert result.code == 2
    assert "no trial of the front meets it" in result.err
