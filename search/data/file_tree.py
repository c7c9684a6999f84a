"""Walks folders of examples, without what file systems, archives and notebooks leave behind."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from paretune.search.errors import UserError

JUNK = frozenset(
    {"__macosx", "@eadir", "$recycle.bin", "system volume information", "__pycache__"}
    | {"thumbs.db", "ehthumbs.db", "desktop.ini", "lost+found"}
)
"""Names, in lower case, of files and folders that no user put there."""


RARE = (".jfif", ".jpe")
"""Endings that other files have, too. Such a file is an example if it begins as a JPEG."""


def is_junk(name: str) -> bool:
    """Returns whether a file or folder is hidden, or left behind by a system."""
    return name.startswith(".") or name.lower() in JUNK


def visible(folder: Path) -> list[Path]:
    """Returns the files and folders in a folder, sorted, without hidden ones.

    Raises:
        UserError: The folder cannot be read.
    """
    try:
        return sorted(folder / name for name in os.listdir(folder) if not is_junk(name))
    except OSError as error:
        raise UserError(f"data: {shown(folder)} cannot be read: {error.strerror}") from error


def subfolders(folder: Path) -> list[Path]:
    """Returns the visible folders in a folder, sorted; links to folders count.

    Raises:
        UserError: The folder cannot be read.
    """
    return [path for path in visible(folder) if os.path.isdir(path)]


def walk(folder: Path, above: tuple[str, ...] = ()) -> Iterator[Path]:
    """Yields the visible files in a folder and below it; links to folders above are not followed.

    Raises:
        UserError: A folder cannot be read.
    """
    here = (*above, os.path.realpath(folder))
    for path in visible(folder):
        if not os.path.isdir(path):
            yield path
        elif not any(folder.is_relative_to(os.path.realpath(path)) for folder in map(Path, here)):
            yield from walk(path, here)


@dataclass
class Skipped:
    """Counts files that are no examples, by their ending."""

    endings: Counter[str] = field(default_factory=Counter)

    def add(self, file: Path) -> None:
        """Counts a file."""
        self.endings[file.suffix.lower() or "without an ending"] += 1

    def note(self) -> str | None:
        """Returns a sentence; None if nothing was skipped."""
        total = self.endings.total()
        if not total:
            return None
        kinds = ", ".join(f"{count} {ending}" for ending, count in sorted(self.endings.items()))
        return f"Skipped {total} {'file' if total == 1 else 'files'}: {kinds}."


def examples_in(folder: Path, endings: Sequence[str], skipped: Skipped) -> list[Path]:
    """Returns the files in a folder and below it that have one of these endings, sorted.

    Args:
        folder: Folder of a class.
        endings: File endings with a dot, in lower case.
        skipped: Counts the other files.
    """
    files: list[Path] = []
    for file in walk(folder):
        ending = file.suffix.lower()
        if ending in endings and (ending not in RARE or _is_jpeg(file)):
            files.append(file)
        else:
            skipped.add(file)
    return sorted(files)


def _is_jpeg(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return stream.read(2) == b"\xff\xd8"
    except OSError:
        return False


def shown(file: Path) -> str:
    """Returns a path as text that can be printed, whatever bytes its name has."""
    return os.fsencode(file).decode("utf-8", "backslashreplace")


def read_utf8(file: Path) -> str:
    """Returns the text of a file.

    Raises:
        UserError: It cannot be read, or is not UTF-8.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"data: {shown(file)} is not UTF-8 at byte {error.start}; save it as UTF-8"
        ) from error
    except OSError as error:
        raise UserError(f"data: {shown(file)} cannot be read: {error.strerror}") from error
