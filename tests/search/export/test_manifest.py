"""Manifests that are refused: of another version, or with names of files outside of the folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def test_manifest_of_an_older_version_is_refused(exported: Path, cli: Any) -> None:
    content = json.loads((exported / "manifest.json").read_text())
    del content["manifest"]
    (exported / "manifest.json").write_text(json.dumps(content))
    result = cli("verify", exported)
    assert result.code == 2
    assert "has version 1, and this Paretune reads version 2; export" in result.err


@pytest.mark.parametrize("name", ["../model.onnx", "/model.onnx", 'a"b.onnx', "a\nb", ""])
def test_file_outside_of_the_folder_is_refused(exported: Path, cli: Any, name: str) -> None:
    content = json.loads((exported / "manifest.json").read_text())
    content["artifacts"][0]["file"] = name
    (exported / "manifest.json").write_text(json.dumps(content))
    result = cli("verify", exported)
    assert result.code == 2
    assert "is not the name of a file in the folder" in result.err
