"""Artifacts of another study: copied with their digest, and given to the trial that fits."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from paretune.search.building.taken_artifacts import TakenArtifacts


def stored(content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    info = {"opset": 18, "agreement": {"of": "another trial"}}
    return {
        "path": "x",
        "runtime": "onnxruntime",
        "sha256": digest,
        "bytes": len(content),
        "info": info,
    }


def test_taken_artifact_is_copied_to_a_trial(tmp_path: Path) -> None:
    source, target = tmp_path / "old.onnx", tmp_path / "new" / "trial.onnx"
    source.write_bytes(b"network")
    taken = TakenArtifacts(tmp_path / "taken")
    assert taken.is_empty and not taken.has("k")
    assert taken.add("k", source, stored(b"network"))
    artifact = taken.take("k", target)
    assert artifact is not None
    assert (artifact.path, artifact.bytes, artifact.info) == (target, 7, {"opset": 18})
    assert target.read_bytes() == b"network"
    assert target.stat().st_nlink == 1, "a change of one file must not change the other"


def test_damaged_or_missing_file_is_not_taken(tmp_path: Path) -> None:
    source = tmp_path / "old.onnx"
    taken = TakenArtifacts(tmp_path / "taken")
    assert not taken.add("k", source, stored(b"network"))
    source.write_bytes(b"another")
    assert not taken.add("k", source, stored(b"network"))
    assert taken.take("k", tmp_path / "trial.onnx") is None
    source.write_bytes(b"network")
    assert taken.add("k", source, stored(b"network"))
    (tmp_path / "taken" / "k").write_bytes(b"damaged")
    assert taken.take("k", tmp_path / "trial.onnx") is None
