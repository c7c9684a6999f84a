"""Writes the study that goes on after a comparison: with newer data, or a tighter bound."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from paretune.search.errors import UserError
from paretune.search.files import write_atomically
from paretune.search.locate import locate
from paretune.search.monitoring.monitor import MonitorResult
from paretune.search.monitoring.next_steps import nearby_study
from paretune.search.shell import command_text
from paretune.search.study_file.document import document_of, read_document
from paretune.search.study_file.loading import load_study
from paretune.search.study_file.problems import StudyFileError


@dataclass(frozen=True)
class NextStudy:
    """A study file that was written.

    Attributes:
        file: The file.
        changes: What differs from the study of the export, a sentence each.
        command: The command that runs it.
    """

    file: Path
    changes: Sequence[str]
    command: str


def write_next_study(
    result: MonitorResult, file: Path, study: Path | None = None, data: str | None = None
) -> NextStudy:
    """Writes the study that goes on after a comparison. It passes `paretune check`.

    Args:
        result: The comparison.
        file: The file to write, in the folder of the study, as paths in it are relative to that.
        study: Study file or folder of the export; None looks for it nearby.
        data: The newer data as in a study file: "images: photos-2026"; None keeps the data.

    Raises:
        UserError: The study is not known, nothing would change, the file exists or is in another
            folder, or the study that results has mistakes.
    """
    old = _study_file(result, study)
    _check_target(file, old)
    document = read_document(old)
    sections, changes = _changed_sections(result, document.data, data)
    if not changes:
        raise UserError(
            f"--next {file}: there is nothing to change: the log shows no latency that is off; for "
            'newer data type --data "images: FOLDER", as in a study file'
        )
    sections["study"] = file.stem
    text = _text(old, sections, document.data, changes)
    try:
        write_atomically(file, text)
    except OSError as error:
        raise UserError(f"--next {file}: cannot be written: {error.strerror}") from error
    try:
        load_study(str(file))
    except StudyFileError as error:
        file.unlink()
        raise UserError(
            f"--next {file}: was not written, as it would have mistakes:\n{error}"
        ) from error
    return NextStudy(file, changes, command_text("run", file, "--from", old))


def _study_file(result: MonitorResult, study: Path | None) -> Path:
    """Returns the study file of the export.

    Raises:
        UserError: It is not known, or gone.
    """
    where = study or nearby_study(result.manifest)
    if where is None:
        name = result.manifest.content.get("study")
        raise UserError(f"--next: the study {name} is not here; name its file: --study STUDY")
    file = where if where.is_file() else locate(str(where)).file
    if not file.is_file():
        raise UserError(f"--next: {file} is gone, and the next study is written from it")
    return file


def _check_target(file: Path, old: Path) -> None:
    if file.resolve().parent != old.resolve().parent:
        raise UserError(
            f"--next {file}: give a file in {old.parent}, the folder of the study; paths in it are "
            "relative to that folder"
        )
    if file.suffix.lower() not in (".yaml", ".yml"):
        raise UserError(f"--next {file}: give a name that ends in .yaml")
    if file.exists():
        raise UserError(f"--next {file}: this file exists; give another name")


def _changed_sections(
    result: MonitorResult, old: Mapping[str, Any], data: str | None
) -> tuple[dict[str, Any], list[str]]:
    """Returns the sections that change, and a sentence for each change."""
    sections: dict[str, Any] = {}
    changes = []
    slow = [row for row in result.latency if row.level == "off" and row.ratio and row.recorded]
    if slow:
        worst = max(slow, key=lambda row: row.ratio or 0)
        ratio, recorded = worst.ratio or 1.0, worst.recorded or 0.0
        quantity = _latency_name(result, old)
        bound = f"{quantity} <= {recorded / ratio:.3g} ms"
        sections["constraints"] = [*(old.get("constraints") or []), bound]
        changes.append(
            f"{bound}: calls on {worst.host} took {ratio:.2g} times as long as in the study, so "
            f"that a network has to be that much faster to take {recorded:.3g} ms there"
        )
    if data is not None:
        sections["data"] = _data_section(data)
        reason = "" if result.ok else ", as the log differs from the old ones"
        changes.append(f"data: newer examples{reason} ({data})")
    return sections, changes


def _latency_name(result: MonitorResult, old: Mapping[str, Any]) -> str:
    """Returns the name of the latency in the study: that of the target, if there are targets."""
    target = result.manifest.content.get("target")
    return f"latency@{target}" if target and old.get("targets") else "latency"


def _data_section(text: str) -> Any:
    """Returns the section `data` of a text as in a study file.

    Raises:
        UserError: It is not YAML.
    """
    try:
        return document_of(f"data: {text}" if "\n" not in text else text, "--data").data["data"]
    except (StudyFileError, KeyError):
        pass
    try:  # "images: photos", a mapping without its braces
        return document_of(f"data: {{{text}}}", "--data").data["data"]
    except StudyFileError as error:
        raise UserError(
            f'--data {text}: give the data as in a study file: "images: FOLDER", "npz: FILE"'
        ) from error


def _text(
    old: Path, sections: Mapping[str, Any], data: Mapping[str, Any], changes: Sequence[str]
) -> str:
    """Returns the study file with some sections replaced; the others keep their comments."""
    head = "\n".join([f"# Goes on from {old.name}:", *(f"# - {change}" for change in changes)])
    wanted = {**data, **sections}
    text = old.read_text(encoding="utf-8")
    for key in sections:
        text = re.sub(rf"(?ms)^{key}:.*?(?=^[^\s#\-]|\Z)", "", text)
    added = _dumped(sections)
    edited = f"{head}\n{text.rstrip()}\n\n{added}"
    try:
        if document_of(edited, old.name).data == wanted:
            return edited
    except StudyFileError:
        pass
    return f"{head}\n{_dumped(wanted)}"


def _dumped(sections: Mapping[str, Any]) -> str:
    text: str = yaml.safe_dump(
        dict(sections), sort_keys=False, allow_unicode=True, default_flow_style=None, width=100
    )
    return text
