"""Artifact files are complete or absent."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from paretune.objectives.runtimes.artifact_file import write_artifact


def writer(content: bytes) -> Any:
    def write(draft: Path) -> dict[str, Any]:
        draft.with_name("scratch").write_bytes(b"left over")
        draft.write_bytes(content)
        return {"opset": 17}

    return write


def test_write_artifact_returns_digest_size_and_info(tmp_path: Path) -> None:
    path = tmp_path / "a" / "net.bin"
    artifact = write_artifact(path, "some", writer(b"content"))
    assert path.read_bytes() == b"content"
    assert (artifact.path, artifact.runtime, artifact.bytes) == (path, "some", 7)
    assert artifact.sha256 == hashlib.sha256(b"content").hexdigest()
    assert artifact.info["opset"] == 17
    assert artifact.info["seconds"] >= 0
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt(), ValueError("bug")])
def test_older_file_stays_when_writing_fails(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "net.bin"
    write_artifact(path, "some", writer(b"old"))

    def write(draft: Path) -> dict[str, Any]:
        draft.write_bytes(b"half")
        raise error

    with pytest.raises(type(error)):
        write_artifact(path, "some", write)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_write_artifact_fails_when_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_artifact(tmp_path / "net.bin", "some", lambda draft: {})
    assert list(tmp_path.iterdir()) == []
