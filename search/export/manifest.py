"""The manifest of an export: every file with its digest, and what was measured."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paretune.search.errors import UserError
from paretune.search.files import sha256_of, write_atomically

MANIFEST = "manifest.json"
PROBE = "probe.npz"
CARD = "MODEL_CARD.md"

VERSION = 2

DIGEST = "digest"
"""Key of the manifest's own digest. It shows that a manifest was changed. It is not a signature: an
attacker can write a new digest."""

NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*", re.ASCII)
"""File names that an export may have: below its folder, and safe inside code."""


@dataclass(frozen=True)
class Manifest:
    """The manifest of a folder; `content` is the JSON of the file."""

    folder: Path
    content: Mapping[str, Any]

    @property
    def artifacts(self) -> list[Mapping[str, Any]]:
        """Entries of the exported models: runtime, options, digest and expected values."""
        return list(self.content["artifacts"])

    def files(self) -> Iterator[Mapping[str, Any]]:
        """Yields the entry of every file with a digest: artifacts, baseline and assets."""
        yield from self.content["artifacts"]
        if self.content["baseline_artifact"]:
            yield self.content["baseline_artifact"]
        yield from self.content["assets"]

    def write(self) -> None:
        """Writes the manifest with its digest.

        Raises:
            OSError: The file cannot be written.
        """
        content = {**self.content, DIGEST: content_digest(self.content)}
        write_atomically(self.folder / MANIFEST, json.dumps(content, indent=2) + "\n")


def conversion_note(content: Mapping[str, Any]) -> str | None:
    """Returns which file the measurements hold for; None if that file is in the export."""
    if any(artifact["measured"] for artifact in content["artifacts"]):
        return None
    return "measured on the study's own file; the exported files are other formats of its network"


def file_entry(folder: Path, name: str, **facts: Any) -> dict[str, Any]:
    """Returns a file's entry: name, digest, size and further fields."""
    file = folder / name
    return {"file": name, **facts, "sha256": sha256_of(file), "bytes": file.stat().st_size}


def content_digest(content: Mapping[str, Any]) -> str:
    """Returns the SHA-256 of a manifest without its digest.

    The order of keys and white space do not change it.
    """
    rest = {key: value for key, value in content.items() if key != DIGEST}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """Reads the manifest of a folder.

    Raises:
        UserError: There is none, it has another version, or it names a file that it must not.
    """
    file = folder / MANIFEST
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(
            f"{file}: there is no such manifest; give a folder that paretune export wrote"
        ) from error
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: cannot be read as a manifest: {error}") from error
    if not isinstance(content, dict) or not content.get("artifacts"):
        raise UserError(f"{file}: is not a manifest of Paretune: it names no artifacts")
    if content.get("manifest") != VERSION:
        written = content.get("manifest", 1)
        raise UserError(
            f"{file} has version {written}, and this Paretune reads version {VERSION}; "
            "export the trial again: paretune export STUDY --pick TRIAL -o DIR"
        )
    manifest = Manifest(folder, content)
    try:
        for entry in manifest.files():
            if not NAME.fullmatch(entry["file"]):
                raise UserError(
                    f"{file}: {entry['file']!r} is not the name of a file in the folder"
                )
    except (KeyError, TypeError) as error:
        raise UserError(f"{file} is incomplete: {error} is missing") from error
    return manifest
