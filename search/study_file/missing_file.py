"""The error for a study that is not where the user says."""

from __future__ import annotations

import difflib
from pathlib import Path

from paretune.search.errors import UserError

SUFFIXES = (".yaml", ".yml")
"""Endings of study files."""


def missing_study(study: str | Path, what: str = "study file") -> UserError:
    """Returns the error for a study that does not exist, with what to type instead.

    Args:
        study: The file or folder, as the user typed it.
        what: What there could be.
    """
    text = f"{study}: there is no such {what}"
    path = Path(study)
    if not path.parent.is_dir():
        return UserError(f"{text}; there is no folder {path.parent}")
    nearby = _study_files(path.parent)
    similar = difflib.get_close_matches(path.stem, [file.stem for file in nearby], n=1)
    if similar:
        file = next(file for file in nearby if file.stem == similar[0])
        return UserError(f'{text}; did you mean "{file}"?')
    return UserError(f"{text}; paretune init writes a first study file")


def _study_files(folder: Path) -> list[Path]:
    try:
        return sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    except OSError:
        return []  # the folder cannot be read, so nothing is proposed
