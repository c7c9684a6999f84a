"""Artifacts of another study, for plans whose network and runtime are the same.

They lie in the study's folder, each under the digest of its network's stages and its runtime. The
pipeline compares a file that it takes with the network, like one that it has just written.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paretune.objectives.runtimes.base import Artifact
from paretune.search.files import sha256_of, write_atomically

OF_TRIAL = ("agreement", "pruned", "note", "weights")
"""Facts about an artifact that its new trial finds out again."""


class TakenArtifacts:
    """The folder of these artifacts.

    Args:
        folder: The folder; created on first use.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def is_empty(self) -> bool:
        """Whether nothing was taken, as in most studies."""
        return not self._folder.is_dir()

    def has(self, key: str) -> bool:
        """Returns whether there is an artifact under this key."""
        return self._facts(key).is_file()

    def add(self, key: str, file: Path, artifact: Mapping[str, Any]) -> bool:
        """Copies an artifact.

        Args:
            key: Its key.
            file: Its file, in another study's folder.
            artifact: What the other database says of it.

        Returns:
            False if the file is gone, or is not the one that was measured.

        Raises:
            OSError: The copy cannot be written.
        """
        if not file.is_file():
            return False
        copy = copied(file, self._file(key))
        if sha256_of(copy) != artifact["sha256"]:
            copy.unlink()
            return False
        info = {name: fact for name, fact in artifact["info"].items() if name not in OF_TRIAL}
        facts = {**artifact, "info": info}
        write_atomically(self._facts(key), json.dumps(facts))
        return True

    def take(self, key: str, path: Path) -> Artifact | None:
        """Copies the artifact under this key to a trial's path; returns None if there is none.

        Raises:
            OSError: The copy cannot be written.
        """
        try:
            facts = json.loads(self._facts(key).read_text())
            sound = sha256_of(self._file(key)) == facts["sha256"]
        except (OSError, ValueError, KeyError):  # missing, or cut short by a full disk
            return None
        if not sound:
            return None
        copied(self._file(key), path)
        return Artifact(path, facts["runtime"], facts["sha256"], facts["bytes"], facts["info"])

    def _file(self, key: str) -> Path:
        return self._folder / key

    def _facts(self, key: str) -> Path:
        return self._folder / f"{key}.json"


def copied(source: Path, target: Path) -> Path:
    """Copies a file so that the target is complete or absent; returns the target.

    It is a copy and no link: a link would share the time of last use with the other study.

    Raises:
        OSError: The source cannot be read, or the target cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    try:
        shutil.copyfile(source, name)
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
    return target
