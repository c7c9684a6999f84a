"""Folders with a folder for each class, alone or below train/, val/ and test/."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from paretune.search.errors import UserError

PART_NAMES = {"train": ("train",), "validation": ("validation", "val", "valid"), "test": ("test",)}
"""Part -> what its folder or file may be called."""


def part_folders(folder: Path) -> dict[str, Path]:
    """The folders of the parts; all of it is the training part where there are none."""
    found = {
        part: folder / name
        for part, names in PART_NAMES.items()
        for name in names
        if (folder / name).is_dir()
    }
    return found if "train" in found else {"train": folder}


def class_folders(root: Path) -> list[str]:
    """Names of the classes, sorted."""
    return sorted(p.name for p in root.iterdir() if p.is_dir() and p.name[0] != ".")


def files_by_class(
    root: Path, names: Sequence[str], endings: Sequence[str], what: str
) -> tuple[np.ndarray, tuple[Path, ...]]:
    """Labels int64 [N] and the file of each.

    Args:
        root: Of a part.
        names: Of the training part's classes.
        endings: Of the files, with a dot and in small letters.
        what: They hold, for messages.

    Raises:
        UserError: There are none, or the part has classes that the training part lacks.
    """
    files: list[Path] = []
    labels: list[int] = []
    strange = [name for name in class_folders(root) if name not in names]
    if strange:
        raise UserError(f"data: {root} has classes that train has not: {', '.join(strange[:5])}")
    for label, name in enumerate(names):
        if not (root / name).is_dir():
            continue
        found = sorted(p for p in (root / name).rglob("*") if p.suffix.lower() in endings)
        files += found
        labels += [label] * len(found)
    if not files:
        more = ", ..." if len(endings) > 4 else ""
        raise UserError(f"data: {root} holds no {what} ({', '.join(endings[:4])}{more})")
    return np.array(labels, dtype=np.int64), tuple(files)
