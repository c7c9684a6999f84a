"""Folders with one subfolder per class, alone or below train/, val/ and test/."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from paretune.search.data.file_tree import Skipped, examples_in, shown, subfolders, visible
from paretune.search.errors import UserError

PART_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid", "dev"),
    "test": ("test", "testing"),
}
"""Part -> names that its folder, file or array may have, without regard to case."""


def part_of(name: str) -> str | None:
    """Returns the part that a folder, file or array of this name holds; None if it is no part."""
    return next((part for part, names in PART_NAMES.items() if name.lower() in names), None)


def paths_by_part(paths: Iterable[Path]) -> dict[str, Path]:
    """Returns the path of each part, by the names without endings.

    Raises:
        UserError: Two paths are the same part.
    """
    parts: dict[str, Path] = {}
    for path in paths:
        part = part_of(path.stem if path.is_file() else path.name)
        if part is None:
            continue
        if part in parts:
            raise UserError(
                f"data: {shown(path.parent)} has two {part} parts, {shown(Path(parts[part].name))} "
                f"and {shown(Path(path.name))}; leave one"
            )
        parts[part] = path
    return parts


def part_folders(folder: Path) -> dict[str, Path]:
    """Returns the folder of each part; without a train folder, the whole is the training part.

    Raises:
        UserError: Two folders are the same part.
    """
    folders = paths_by_part(subfolders(folder))
    if "train" not in folders:
        return {"train": folder}
    return {part: folders[part] for part in PART_NAMES if part in folders}


def other_folders(folder: Path, roots: Mapping[str, Path]) -> list[str]:
    """Returns the names of the folders beside the parts, which are not read."""
    if roots["train"] == folder:
        return []
    return [path.name for path in subfolders(folder) if path not in roots.values()]


def class_folders(root: Path) -> dict[str, list[Path]]:
    """Returns class name -> its folders, sorted by name.

    Names are in Unicode's composed form (NFC). Systems differ in the form, so that a data set may
    come with both: folders whose names are the same then make one class.

    Raises:
        UserError: A name is not valid text.
    """
    folders: dict[str, list[Path]] = {}
    for path in subfolders(root):
        if shown(path) != str(path):
            raise UserError(
                f"data: {shown(path)}: the name of this class is not valid text; rename the folder"
            )
        folders.setdefault(unicodedata.normalize("NFC", path.name), []).append(path)
    return {name: folders[name] for name in sorted(folders)}


def files_by_class(
    root: Path,
    names: Sequence[str],
    endings: Sequence[str],
    content: str,
    skipped: Skipped | None = None,
) -> tuple[np.ndarray, tuple[Path, ...]]:
    """Returns labels int64 [N] and the file of each label.

    Args:
        root: Folder of a part.
        names: Class names of the training part.
        endings: File endings to read, with a dot, in lower case.
        content: Content of the files in the plural, for messages.
        skipped: Counts the other files in the folders of the classes.

    Raises:
        UserError: There are no such files, the part has classes that the training part lacks, or
            a class is a folder of classes.
    """
    folders = class_folders(root)
    names = [unicodedata.normalize("NFC", name) for name in names]
    _refuse_unknown(root, names, list(folders))
    counter = Skipped() if skipped is None else skipped
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(names):
        examples: list[Path] = []
        for folder in folders.get(name, ()):
            inside = examples_in(folder, endings, counter)
            _refuse_nested(folder, inside, content)
            examples += inside
        files += sorted(examples)
        labels += [label] * len(examples)
    if not files:
        ellipsis = ", ..." if len(endings) > 4 else ""
        raise UserError(
            f"data: {shown(root)} holds no {content} ({', '.join(endings[:4])}{ellipsis})"
        )
    return np.array(labels, dtype=np.int64), tuple(files)


def stray_files(root: Path, endings: Sequence[str]) -> int:
    """Returns the number of examples that lie beside the folders of the classes."""
    return sum(path.suffix.lower() in endings and path.is_file() for path in visible(root))


def _refuse_unknown(root: Path, names: Sequence[str], present: Sequence[str]) -> None:
    """Refuses classes that the training part lacks.

    Raises:
        UserError: There are some.
    """
    unknown = [name for name in present if name not in names]
    if not unknown:
        return
    by_key = {_key(name): name for name in names}
    alike = next((by_key[_key(name)] for name in unknown if _key(name) in by_key), None)
    hint = "" if alike is None else f'; did you mean "{alike}"?'
    raise UserError(
        f"data: {shown(root)} has classes that the training part lacks: "
        f"{', '.join(unknown[:5])}{hint}"
    )


def _key(name: str) -> str:
    return " ".join(name.casefold().split())


def _refuse_nested(folder: Path, files: Sequence[Path], content: str) -> None:
    """Refuses a class whose examples lie in several folders below it, and none in it.

    One folder below it is accepted, such as in Tiny ImageNet: train/n01443537/images/.

    Raises:
        UserError: The folder looks like a folder of classes or parts.
    """
    below = {file.relative_to(folder).parts[0] for file in files if file.parent != folder}
    if len(below) < 2 or any(file.parent == folder for file in files):
        return
    data = folder
    while len(children := _children(data, files)) == 1:
        data = data / children[0]
    if not children:
        data = data.parent
    names = ", ".join(sorted(below)[:4]) + (", ..." if len(below) > 4 else "")
    parts = [name for name in sorted(below) if part_of(name)]
    if parts and not any(part_of(name) for name in (folder.name, folder.parent.name)):
        advice = (
            f"if they are parts of the data, give {shown(data)} as the folder, or put the parts "
            f"above the classes ({parts[0]}/{folder.name})"
        )
    elif part_of(folder.name):
        advice = (
            f"as it is a part of the data, name the folder of the training part "
            f"{shown(folder.parent / 'train')}"
        )
    else:
        advice = f"if they are the classes, give {shown(data)} as the folder"
    raise UserError(
        f"data: {shown(folder)} is no class: it holds no {content} itself, but folders of them "
        f"({names}); {advice}; if it is one class, put its {content} directly into it"
    )


def _children(folder: Path, files: Sequence[Path]) -> list[str]:
    """Returns the folders below a folder that hold its files, and none if it holds some itself."""
    inside = [file.relative_to(folder).parts for file in files if file.is_relative_to(folder)]
    if any(len(parts) == 1 for parts in inside):
        return []
    return sorted({parts[0] for parts in inside})
