"""Checks an exported model against its manifest, on any machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from objectives.base import Unmeasurable
from objectives.scores import wilson
from search.errors import UserError
from search.export import MANIFEST, PROBE
from search.files import sha256_of
from search.plugins import RUNTIMES
from search.prepared import Batches, labelled

AGREEMENT = 0.99
"""Share of the probe's examples whose class must be the recorded one. int8 kernels differ between
processors in the last bit, which may turn a tie."""


@dataclass(frozen=True)
class Finding:
    """One thing that was checked."""

    file: str
    what: str
    ok: bool
    text: str


@dataclass(frozen=True)
class Verification:
    """All that was checked."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is off."""
        return all(finding.ok for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """{"ok", "findings"}."""
        return {"ok": self.ok, "findings": [asdict(finding) for finding in self.findings]}

    def text(self) -> str:
        """A line for each finding."""
        lines = [f"{'ok ' if f.ok else 'OFF'}  {f.file}: {f.what}: {f.text}" for f in self.findings]
        return "\n".join([*lines, "all as measured" if self.ok else "not what was measured"])


def verify_export(folder: Path, data: str | None = None) -> Verification:
    """Digest, loadability and outputs of every file; accuracy too when data is given.

    Args:
        folder: What `paretune export` wrote.
        data: An .npz with x_test and y_test, for text a .csv or .tsv, or None.

    Raises:
        UserError: There is no manifest, or it cannot be read.
    """
    manifest = _manifest(folder)
    findings = [_same_file(folder, asset) for asset in manifest.get("assets", [])]
    for artifact in manifest["artifacts"]:
        findings += _checked(folder, artifact, manifest, data)
    return Verification(tuple(findings))


def _manifest(folder: Path) -> Mapping[str, Any]:
    file = folder / MANIFEST
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{file}: there is no such manifest; give a folder of export") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: cannot be read as a manifest: {error}") from error
    if not isinstance(content, dict) or not content.get("artifacts"):
        raise UserError(f"{file}: this is no manifest of Paretune: it names no artifacts")
    return content


def _checked(
    folder: Path, artifact: Mapping[str, Any], manifest: Mapping[str, Any], data: str | None
) -> list[Finding]:
    name = artifact["file"]
    file = folder / name
    findings = [_same_file(folder, artifact)]
    if not file.is_file():
        return findings
    try:
        entry = RUNTIMES.get(artifact["runtime"])
        session = entry.load(file, entry.Params.model_validate(artifact["options"]))
        findings.append(_outputs(folder, name, session))
        if data is not None:
            findings.append(
                _accuracy(name, session, manifest, labelled(folder, manifest, Path(data)))
            )
    except (Unmeasurable, RuntimeError, ValueError, OSError) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        findings.append(Finding(name, "runs", False, text))
    return findings


def _same_file(folder: Path, written: Mapping[str, Any]) -> Finding:
    file = folder / written["file"]
    if not file.is_file():
        return Finding(file.name, "file", False, "is missing")
    digest = sha256_of(file)
    same = digest == written["sha256"]
    text = digest if same else f"{digest} is another file"
    return Finding(file.name, "sha256", same, text)


def _outputs(folder: Path, name: str, session: Any) -> Finding:
    with np.load(folder / PROBE, allow_pickle=False) as probe:
        inputs, recorded = probe["inputs"], probe[name]
    logits = session(inputs)
    if logits.shape != recorded.shape:
        return Finding(name, "outputs", False, f"{list(logits.shape)} for {list(recorded.shape)}")
    agree = float((logits.argmax(1) == recorded.argmax(1)).mean())
    difference = float(np.abs(logits - recorded).max())
    text = f"{100 * agree:.0f} % of the classes agree, logits differ by at most {difference:.2g}"
    return Finding(name, "outputs", agree >= AGREEMENT, text)


def _accuracy(name: str, session: Any, manifest: Mapping[str, Any], batches: Batches) -> Finding:
    recorded = manifest["measurements"]["test"].get("accuracy")
    if recorded is None:
        return Finding(name, "accuracy", True, "was not measured on test; nothing to compare")
    right = seen = 0
    for inputs, labels in batches:
        right += int((session(inputs).argmax(1) == labels).sum())
        seen += len(labels)
    share = right / seen
    low, high = wilson(right, seen)
    ok = low <= recorded["high"] and high >= recorded["low"]
    text = f"{100 * share:.2f} % on {seen} examples, recorded {100 * recorded['value']:.2f} %"
    return Finding(name, "accuracy", ok, text)
