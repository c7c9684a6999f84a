"""Export: the measured file itself, checked before it is handed out; other formats."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from paretune.search.database.store import existing_store
from paretune.search.files import sha256_of


def manifest_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return found


def findings_of(folder: Path) -> dict[str, dict[str, Any]]:
    return {f["what"]: f for f in manifest_of(folder)["verified"]["findings"]}


def change(study: Path, statement: str) -> None:
    """Makes the study remember something else."""
    with sqlite3.connect(study.with_suffix("") / "study.db") as database:
        assert database.execute(statement).rowcount


def test_export_is_the_measured_file(exported: Path, finished: Path) -> None:
    manifest = manifest_of(exported)
    with existing_store(f"sqlite:///{finished.with_suffix('') / 'study.db'}") as store:
        trial = store.trial(manifest["trial"])
    assert trial is not None and trial.artifact is not None
    measured = finished.with_suffix("") / trial.artifact["path"]
    assert (exported / "model.onnx").read_bytes() == measured.read_bytes()
    assert manifest["artifacts"][0]["sha256"] == sha256_of(exported / "model.onnx")
    accuracy = manifest["measurements"]["validation"]["accuracy"]
    assert accuracy["value"] == trial.values["accuracy"]
    assert {"plan", "preprocessing", "measurements", "artifacts"} <= set(manifest)
    names = {file.name for file in exported.iterdir()}
    assert names == {
        *("model.onnx", "baseline", "load.py", "probe.npz", "manifest.json", "MODEL_CARD.md")
    }


def test_export_is_checked_in_a_clean_process_by_the_study_s_own_figures(
    exported: Path, told: str
) -> None:
    found = findings_of(exported)
    assert {"opset", "preprocessing", "outputs", "model", "accuracy", "latency"} <= set(found)
    assert all(f["ok"] for f in found.values())
    accuracy = found["accuracy"]["numbers"]
    assert accuracy["found"]["value"] == accuracy["recorded"]["value"]
    assert (accuracy["part"], accuracy["found"]["count"]) == ("test", 450)
    assert found["outputs"]["numbers"]["largest"] < 1e-5
    assert found["model"]["numbers"]["agreement"] > 0.9
    assert found["latency"]["numbers"]["found"]["value"] > 0
    assert "in a clean process, without Paretune:" in told
    assert "check it anywhere: paretune verify " in told


def test_probe_holds_images_and_what_the_model_takes_of_them(exported: Path) -> None:
    with np.load(exported / "probe.npz") as probe:
        images, inputs, logits = probe["examples"], probe["inputs"], probe["model.onnx"]
    assert (images.dtype, images.shape) == (np.uint8, (16, 1, 8, 8))
    how = manifest_of(exported)["preprocessing"]
    np.testing.assert_allclose((images / 255 - how["mean"]) / how["std"], inputs, atol=1e-5)
    session = onnxruntime.InferenceSession(exported / "model.onnx")
    np.testing.assert_allclose(session.run(None, {"input": inputs})[0], logits, atol=1e-3)


@pytest.mark.slow
def test_other_formats_are_checked_by_what_they_shall_be(finished: Path, cli: Any) -> None:
    formats, folder = "onnx,torchscript,torch,torch_export", finished.parent / "others"
    said = cli("export", finished, "--pick", "1", "--to", formats, "-o", folder, "--no-latency")
    assert said.code == 0, said.out + said.err
    manifest = manifest_of(folder)
    files = [artifact["file"] for artifact in manifest["artifacts"]]
    wanted = ["model.onnx", "model.pt", "model.torch.pt2", "model.torch_export.pt2"]
    assert sorted(files) == sorted(wanted)
    for artifact in manifest["artifacts"]:
        about = [
            f
            for f in manifest["verified"]["findings"]
            if f["file"] == artifact["file"] and f["what"] in ("model", "accuracy")
        ]
        assert about[0]["what"] == "model"
        assert artifact["expected"]["test"]["accuracy"]["count"] == 450
        if not artifact["formats"]:
            assert about[0]["numbers"]["largest"] < 1e-3
    verified = cli("verify", folder, "--no-latency")
    assert verified.code == 0, verified.out
    assert "all as measured" in verified.out


@pytest.mark.heavy
def test_study_in_another_runtime_hands_out_its_own_file_and_others_quantized_anew(
    tiny: Path, cli: Any
) -> None:
    pytest.importorskip("openvino", reason="pip install 'paretune[openvino]'")
    text = tiny.read_text().replace(
        "quantization: {choice: [none, dynamic]}", "quantization: static"
    )
    tiny.write_text(text + "runtime: openvino\n")
    said = cli("run", tiny, "--trials", 1)
    assert said.code == 0, said.err
    own, other = tiny.parent / "own", tiny.parent / "other"
    said = cli("export", tiny, "--pick", "1", "-o", own, "--no-latency")
    assert said.code == 0, said.out + said.err
    [artifact] = manifest_of(own)["artifacts"]
    assert (artifact["runtime"], artifact["measured"]) == ("openvino", True)
    said = cli(
        "export", tiny, "--pick", "1", "--to", "onnx,torchscript", "-o", other, "--no-latency"
    )
    assert said.code == 0, said.out + said.err
    assert "static, quantized anew; accuracy" in said.out
    assert "float32: not quantized here; accuracy" in said.out
    for folder in (own, other):
        assert cli("verify", folder, "--no-latency").code == 0


# -- what is not as measured ---------------------------------------------------------------------


def test_export_fails_with_the_numbers_when_the_accuracy_is_another(
    finished: Path, cli: Any
) -> None:
    for part in ("test", "validation"):
        change(
            finished,
            "update paretune_measurements set value = 0.999, low = 0.998, high = 1.0 "
            f"where name = 'accuracy' and part = '{part}' and trial > 0",
        )
    folder, rejected = finished.parent / "wrong", finished.parent / "wrong.unverified"
    said = cli("export", finished, "--pick", "knee", "-o", folder, "--no-latency")
    assert said.code == 1
    assert "recorded 99.90 % (95 % interval 99.8-100.0 %)" in said.out
    assert f"not what the study measured: it stays in {rejected}" in said.out
    assert not folder.exists()
    assert not manifest_of(rejected)["verified"]["ok"]
    assert "NOT WHAT THE STUDY MEASURED" in (rejected / "MODEL_CARD.md").read_text()
    assert not [file for file in finished.parent.iterdir() if file.name.startswith(".wrong")]


def test_export_fails_when_the_latency_is_far_from_the_study_s(finished: Path, cli: Any) -> None:
    change(
        finished,
        "update paretune_measurements set value = value / 1e6, low = low / 1e6, high = high / 1e6 "
        "where name = 'latency' and trial > 0",
    )
    folder = finished.parent / "slow"
    said = cli("export", finished, "--pick", "knee", "-o", folder)
    assert said.code == 1
    assert "beyond both 95 % intervals" in said.out
    assert not folder.exists()


def test_export_fails_when_the_study_s_file_changed(finished: Path, cli: Any) -> None:
    for file in (finished.with_suffix("") / "artifacts").iterdir():
        file.write_bytes(file.read_bytes() + b"x")
    folder = finished.parent / "x"
    said = cli("export", finished, "--pick", "1", "-o", folder, "--no-latency")
    assert said.code == 1
    assert "is another file than the one that was measured" in said.out
    assert not folder.exists() and not folder.with_name("x.unverified").exists()


def test_export_says_when_the_network_is_gone(finished: Path, cli: Any) -> None:
    shutil.rmtree(finished.with_suffix("") / "stages")
    folder = finished.parent / "x"
    said = cli("export", finished, "--pick", "1", "-o", folder, "--no-latency")
    assert said.code == 0, said.out
    assert "not compared with the network: its trained stages are gone" in said.out
    assert findings_of(folder)["model"]["level"] == "warning"


def test_trial_that_is_not_on_the_front_is_held_to_its_validation_figures(
    finished: Path, cli: Any
) -> None:
    change(finished, "delete from paretune_measurements where part = 'test' and trial > 0")
    folder = finished.parent / "x"
    said = cli(
        "export", finished, "--pick", "1", "-o", folder, "--without-baseline", "--no-latency"
    )
    assert said.code == 0, said.out
    assert "on 448 validation examples, recorded" in said.out
    assert "on 450 test examples; nothing to compare it with" in said.out
    manifest = manifest_of(folder)
    assert manifest["artifacts"][0]["expected"]["test"]["accuracy"]["count"] == 450
    assert manifest["baseline_artifact"] is None and not (folder / "baseline").exists()
    said = cli("verify", folder)
    assert said.code == 0 and "the baseline's file was not exported" in said.out


def test_baseline_itself_has_no_latency_beside_itself(finished: Path, cli: Any) -> None:
    folder = finished.parent / "base"
    said = cli("export", finished, "--pick", "baseline", "-o", folder, "--no-latency")
    assert said.code == 0, said.out + said.err
    assert manifest_of(folder)["baseline_artifact"] is None
    assert "latency" not in findings_of(folder)


# -- what is refused -----------------------------------------------------------------------------


def test_export_refuses_a_folder_that_is_not_empty(
    exported: Path, finished: Path, cli: Any
) -> None:
    (exported / "mine.txt").write_text("stays")
    said = cli("export", finished, "-o", exported, "--no-latency")
    assert said.code == 2
    assert "not empty" in said.err
    assert cli("export", finished, "-o", exported, "--force", "--no-latency").code == 0
    assert (exported / "mine.txt").read_text() == "stays"


def test_export_refuses_a_folder_in_the_way_of_a_failure(finished: Path, cli: Any) -> None:
    (finished.parent / "x.unverified").mkdir()
    said = cli("export", finished, "-o", finished.parent / "x", "--no-latency")
    assert said.code == 2
    assert "in the way of an export that fails; move it away" in said.err


def test_export_refuses_an_unknown_format(finished: Path, cli: Any) -> None:
    said = cli("export", finished, "--to", "onxx", "-o", finished.parent / "x", "--no-latency")
    assert said.code == 2
    assert '"onxx"' in said.err and "onnx" in said.err


def test_export_refuses_an_artifact_that_is_gone(finished: Path, cli: Any) -> None:
    for file in (finished.with_suffix("") / "artifacts").iterdir():
        file.unlink()
    said = cli("export", finished, "--pick", "1", "-o", finished.parent / "x", "--no-latency")
    assert said.code == 2
    assert "the measured file is gone; run the study again" in said.err


def test_export_says_what_no_trial_holds(finished: Path, cli: Any) -> None:
    said = cli(
        "export",
        finished,
        "--pick",
        "latency <= 0.000001 ms",
        "-o",
        finished.parent / "x",
        "--no-latency",
    )
    assert said.code == 2
    assert "no trial of the front holds it" in said.err
