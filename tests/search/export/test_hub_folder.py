"""An export as a model repository of the Hugging Face Hub."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from paretune.search.errors import UserError
from paretune.search.export.hub_folder import metadata, refuse_hub_folder, write_hub_folder
from paretune.search.export.manifest import read_manifest


def test_card_has_the_metadata_that_the_hub_reads(exported: Path, tmp_path: Path) -> None:
    manifest = read_manifest(exported)
    write_hub_folder(manifest, tmp_path / "hub")

    data = ModelCard.load(tmp_path / "hub" / "README.md").data
    assert (data.library_name, data.pipeline_tag) == ("onnx", "image-classification")
    assert "paretune" in data.tags
    measured = manifest.content["measurements"]["test"]["accuracy"]["value"]
    [result] = [r for r in data.eval_results if r.metric_type == "accuracy"]
    assert result.metric_value == pytest.approx(measured)
    assert (result.dataset_name, result.task_type) == ("digits", "image-classification")


def test_folder_holds_every_file_of_the_export(exported: Path, tmp_path: Path) -> None:
    write_hub_folder(read_manifest(exported), tmp_path / "hub")

    names = {path.relative_to(exported) for path in exported.rglob("*")}
    written = {path.relative_to(tmp_path / "hub") for path in (tmp_path / "hub").rglob("*")}
    assert written - names == {Path("README.md"), Path(".gitattributes")}
    assert names <= written
    assert "*.onnx filter=lfs" in (tmp_path / "hub" / ".gitattributes").read_text()


def test_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="the folder is not empty; give another one"):
        refuse_hub_folder(tmp_path)
    with pytest.raises(UserError, match="this is a file; give a folder"):
        refuse_hub_folder(tmp_path / "file")


@pytest.mark.parametrize("hub", ["out", "out/hub", "out/../out"])
def test_folder_in_that_of_the_export_is_refused(tmp_path: Path, hub: str) -> None:
    with pytest.raises(UserError, match="lies in the folder of the export"):
        refuse_hub_folder(tmp_path / hub, tmp_path / "out")
    refuse_hub_folder(tmp_path / "hub", tmp_path / "out")


@pytest.mark.parametrize(
    ("kind", "shape", "pipeline"),
    [
        ("class", [1, 3, 32, 32], "image-classification"),
        ("class", [1, 20], "tabular-classification"),
        ("values", [1, 10], "tabular-regression"),
        ("mask", [1, 3, 32, 32], "image-segmentation"),
        ("boxes", [1, 3, 64, 64], "object-detection"),
        ("next", [1, 64], "text-generation"),
        ("class", [1, 12, 29], None),
        (None, [1, 1, 40, 64], None),
    ],
)
def test_pipeline_is_that_of_the_task(
    exported: Path, kind: str | None, shape: list[int], pipeline: str | None
) -> None:
    content = json.loads((exported / "manifest.json").read_text())
    content["task"] = {"kind": kind}
    content["input"] = {"name": "input", "dtype": "float32", "shape": shape}
    assert metadata(content).get("pipeline_tag") == pipeline
