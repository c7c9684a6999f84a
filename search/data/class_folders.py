"""Folders with one subfolder per class, alone or below train/, val/ and test/."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from paretune.search.errors import UserError

PART_NAMES = {"train": ("train",), "validation": ("validation", "val", "valid"), "test": ("test",)}
"""Part -> names that its folder or file may have."""


def part_folders(folder: Path) -> dict[str, Path]:
    """Returns the folder of each part; without a train folder, the whole is the training part."""
    folders = {
        part: folder / name
        for part, names in PART_NAMES.items()
        for name in names
        if (folder / name).is_dir()
    }
    return folders if "train" in folders else {"train": folder}


def class_folders(root: Path) -> list[str]:
    """Returns the names of the classes, sorted."""
    return sorted(p.name for p in root.iterdir() if p.is_dir() and p.name[0] != ".")


def files_by_class(
    root: Path, names: Sequence[str], endings: Sequence[str], content: str
) -> tuple[np.ndarray, tuple[Path, ...]]:
    """Returns labels int64 [N] and the file of each label.

    Args:
        root: Folder of a part.
        names: Class names of the training part.
        endings: File endings to read, with a dot, in lower case.
        content: Content of the files in the plural, for messages.

    Raises:
        UserError: There are no such files, or the part has classes that the training part lacks.
    """
    files: list[Path] = []
    labels: list[int] = []
    unknown = [name for name in class_folders(root) if name not in names]
    if unknown:
        raise UserError(
            f"data: {root} has classes that the training part lacks: {', '.join(unknown[:5])}"
        )
    for label, name in enumerate(names):
        if not (root / name).is_dir():
            continue
        examples = sorted(p for p in (root / name).rglob("*") if p.suffix.lower() in endings)
        files += examples
        labels += [label] * len(examples)
    if not files:
        ellipsis = ", ..." if len(endings) > 4 else ""
        raise UserError(f"data: {root} holds no {content} ({', '.join(endings[:4])}{ellipsis})")
    return np.array(labels, dtype=np.int64), tuple(files)
