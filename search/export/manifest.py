"""The manifest of an export: what every file is, and what was measured of it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paretune.search.errors import UserError
from paretune.search.files import sha256_of, written_whole

MANIFEST = "manifest.json"
PROBE = "probe.npz"
CARD = "MODEL_CARD.md"

VERSION = 2

DIGEST = "digest"
"""Key of the manifest's own digest. It finds a changed manifest; it is no signature: who changes a
file on purpose can write a new one."""

NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*", re.ASCII)
"""File names in an export: below its folder, and safe to stand in code."""


@dataclass(frozen=True)
class Manifest:
    """What is known of an exported model; `content` is the JSON of the file."""

    folder: Path
    content: Mapping[str, Any]

    @property
    def artifacts(self) -> list[Mapping[str, Any]]:
        """The exported files, each with runtime, options, digest and what is expected of it."""
        return list(self.content["artifacts"])

    def files(self) -> Iterator[Mapping[str, Any]]:
        """Every file with a digest: artifacts, the baseline's, and what lies beside them."""
        yield from self.content["artifacts"]
        if self.content["baseline_artifact"]:
            yield self.content["baseline_artifact"]
        yield from self.content["assets"]

    def write(self) -> None:
        """Writes the file, with its digest.

        Raises:
            OSError: It cannot be written.
        """
        content = {**self.content, DIGEST: content_digest(self.content)}
        written_whole(self.folder / MANIFEST, json.dumps(content, indent=2) + "\n")


def file_entry(folder: Path, name: str, **more: Any) -> dict[str, Any]:
    """A file's entry: name, digest and size, and what else is known of it."""
    file = folder / name
    return {"file": name, **more, "sha256": sha256_of(file), "bytes": file.stat().st_size}


def content_digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of a manifest without its digest; the order of keys and the spaces do not count."""
    rest = {key: value for key, value in content.items() if key != DIGEST}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder.

    Raises:
        UserError: There is none, or it is of another version or names files that it may not.
    """
    file = folder / MANIFEST
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{file}: there is no such manifest; give a folder of export") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: cannot be read as a manifest: {error}") from error
    if not isinstance(content, dict) or not content.get("artifacts"):
        raise UserError(f"{file}: this is no manifest of Paretune: it names no artifacts")
    if content.get("manifest") != VERSION:
        written = content.get("manifest", 1)
        raise UserError(
            f"{file}: a manifest of version {written}, and this Paretune reads version {VERSION}; "
            "export the trial again: paretune export STUDY --pick TRIAL -o DIR"
        )
    manifest = Manifest(folder, content)
    try:
        for entry in manifest.files():
            if not NAME.fullmatch(entry["file"]):
                raise UserError(f"{file}: {entry['file']!r} is no name of a file in the folder")
    except (KeyError, TypeError) as error:
        raise UserError(f"{file}: not a whole manifest: {error} is missing") from error
    return manifest
