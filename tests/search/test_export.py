"""Export and verify: the measured file itself, other formats, and a manifest that holds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from search.database.store import reading
from search.files import sha256_of


@pytest.fixture
def exported(finished: Path, cli: Any) -> Path:
    folder = finished.parent / "exported"
    said = cli("export", finished, "--pick", "knee", "-o", folder)
    assert said.code == 0, said.err
    return folder


def test_export_is_the_measured_file(exported: Path, finished: Path) -> None:
    manifest = json.loads((exported / "manifest.json").read_text())
    with reading(f"sqlite:///{finished.with_suffix('') / 'study.db'}") as store:
        trial = store.trial(manifest["trial"])
    assert trial is not None and trial.artifact is not None
    measured = finished.with_suffix("") / trial.artifact["path"]
    assert (exported / "model.onnx").read_bytes() == measured.read_bytes()
    assert manifest["artifacts"][0]["sha256"] == sha256_of(exported / "model.onnx")
    accuracy = manifest["measurements"]["validation"]["accuracy"]
    assert accuracy["value"] == trial.values["accuracy"]
    assert {"plan", "preprocessing", "measurements", "artifacts"} <= set(manifest)


def test_exported_model_runs_on_raw_images_as_the_manifest_says(exported: Path) -> None:
    probe = np.load(exported / "probe.npz")
    session = onnxruntime.InferenceSession(exported / "model.onnx")
    name = session.get_inputs()[0].name
    inputs = next(probe[key] for key in probe.files if probe[key].ndim == 4)
    logits = session.run(None, {name: inputs.astype(np.float32)})[0]
    assert logits.shape == (len(inputs), 10)


@pytest.mark.parametrize(
    "formats", ["torchscript", "torch_export", "onnx,torchscript,torch,torch_export"]
)
def test_other_formats_give_the_same_classes(finished: Path, cli: Any, formats: str) -> None:
    folder = finished.parent / "others"
    said = cli("export", finished, "--pick", "1", "--to", formats, "-o", folder)
    assert said.code == 0, said.err
    manifest = json.loads((folder / "manifest.json").read_text())
    assert len(manifest["artifacts"]) == len(formats.split(","))
    files = {artifact["file"] for artifact in manifest["artifacts"]}
    if "torch," in formats:
        assert files == {"model.onnx", "model.pt", "model.torch.pt2", "model.torch_export.pt2"}
    verified = cli("verify", folder)
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
    assert cli("export", tiny, "--pick", "1", "-o", own).code == 0
    [artifact] = json.loads((own / "manifest.json").read_text())["artifacts"]
    assert (artifact["runtime"], artifact["measured"]) == ("openvino", True)
    said = cli("export", tiny, "--pick", "1", "--to", "onnx,torchscript", "-o", other)
    assert said.code == 0, said.err
    assert "static, quantized anew; accuracy" in said.out
    assert "float32: not quantized here; accuracy" in said.out
    assert cli("verify", own).code == cli("verify", other).code == 0


def test_verify_works_where_the_study_is_not(exported: Path, finished: Path, cli: Any) -> None:
    shutil.rmtree(finished.with_suffix(""))
    finished.unlink()
    said = cli("verify", exported, "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)


def test_verify_finds_a_changed_file(exported: Path, cli: Any) -> None:
    with (exported / "model.onnx").open("ab") as file:
        file.write(b"x")
    said = cli("verify", exported)
    assert said.code == 1
    assert "is another file" in said.out


def test_verify_finds_a_missing_file(exported: Path, cli: Any) -> None:
    (exported / "model.onnx").unlink()
    assert cli("verify", exported).code in (1, 2)


def test_export_refuses_a_folder_that_is_not_empty(
    exported: Path, finished: Path, cli: Any
) -> None:
    said = cli("export", finished, "-o", exported)
    assert said.code == 2
    assert "not empty" in said.err
    assert cli("export", finished, "-o", exported, "--force").code == 0


def test_export_refuses_an_unknown_format(finished: Path, cli: Any) -> None:
    said = cli("export", finished, "--to", "onxx", "-o", finished.parent / "x")
    assert said.code == 2
    assert '"onxx"' in said.err and "onnx" in said.err


def test_export_refuses_an_artifact_that_changed(finished: Path, cli: Any) -> None:
    for file in (finished.with_suffix("") / "artifacts").iterdir():
        file.write_bytes(file.read_bytes() + b"x")
    said = cli("export", finished, "--pick", "1", "-o", finished.parent / "x")
    assert said.code == 2
    assert "Traceback" not in said.err


def test_export_says_what_no_trial_holds(finished: Path, cli: Any) -> None:
    said = cli("export", finished, "--pick", "latency <= 0.000001 ms", "-o", finished.parent / "x")
    assert said.code == 2
    assert "no trial of the front holds it" in said.err
