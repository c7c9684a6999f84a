"""The files of an export: the measured file, the probe, and the note of a converted file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from paretune.objectives.runtimes.base import Artifact
from paretune.search.database.store import existing_store
from paretune.search.export.export_files import write_artifacts
from paretune.search.export.picked_artifact import PickedArtifact
from paretune.search.files import sha256_of
from paretune.search.study.plan import Plan
from paretune.search.study.records import TrialRecord
from paretune.search.study.stage import Stage
from paretune.search.study_file.loading import load_study
from paretune.search.trial.stage_study import StageStudy
from paretune.spaces.training.recipe import Recipe
from support.studies import url_of


def test_export_is_the_measured_file(exported: Path, finished: Path) -> None:
    manifest = json.loads((exported / "manifest.json").read_text())
    with existing_store(url_of(finished)) as store:
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
        *("model.onnx", "baseline", "load.py", "call_log.py", "verify.py"),
        *("probe.npz", "manifest.json", "MODEL_CARD.md"),
    }


def test_probe_has_images_and_the_models_inputs_for_them(exported: Path) -> None:
    with np.load(exported / "probe.npz") as probe:
        images, inputs, logits = probe["examples"], probe["inputs"], probe["model.onnx"]
    assert (images.dtype, images.shape) == (np.uint8, (16, 1, 8, 8))
    preprocessing = json.loads((exported / "manifest.json").read_text())["preprocessing"]
    expected = (images / 255 - preprocessing["mean"]) / preprocessing["std"]
    np.testing.assert_allclose(expected, inputs, atol=1e-5)
    session = onnxruntime.InferenceSession(exported / "model.onnx")
    np.testing.assert_allclose(session.run(None, {"input": inputs})[0], logits, atol=1e-3)


# -- a runtime without int8 ----------------------------------------------------------------------


@pytest.fixture
def study(tiny: Path) -> Iterator[StageStudy]:
    open_study = StageStudy(load_study(tiny))
    yield open_study
    open_study.close()


def make_plan(quantization: dict[str, Any]) -> Plan:
    recipe = Recipe.model_validate({"epochs": 3, "optimizer": {"adam": {"lr": 3e-3}}})
    pretrain = {
        "architecture": {"simple_cnn": {"width": 0.125}},
        "checkpoint": None,
        "recipe": recipe.model_dump(),
    }
    deploy = {"runtime": {"onnxruntime": {"provider": "cpu", "threads": 1}}}
    return Plan(
        (
            Stage("pretrain", pretrain),
            Stage("quantize", {"quantization": quantization}),
            Stage("deploy", deploy),
        )
    )


@pytest.mark.parametrize(
    ("quantization", "note"),
    [
        (
            {"qat": {"epochs": 1, "images": 128}},
            "qat, simulated: it rounds as in training and computes in float32; accuracy",
        ),
        ({"static": {"images": 64}}, "float32, not quantized; accuracy"),
        ({"none": {}}, "converted; accuracy"),
    ],
    ids=["qat", "static", "none"],
)
def test_note_states_the_number_format_of_a_runtime_without_int8(
    quantization: dict[str, Any], note: str, study: StageStudy, tmp_path: Path
) -> None:
    plan = make_plan(quantization)
    picked = PickedArtifact(
        trial=TrialRecord(number=1, state="complete", params={}, plan=plan.to_json()),
        plan=plan,
        artifact=Artifact(tmp_path / "model.onnx", "onnxruntime", "", 0, {}),
        target=study.workbench.targets[0],
        formats=(),
        validation={},
        test={},
        baseline=None,
        reference={},
        quantities={"accuracy": {}},
    )

    [entry] = write_artifacts(study.workbench, picked, ["torchscript"], tmp_path)

    assert re.fullmatch(rf"{note} \d+\.\d+ % on validation", entry["note"])
