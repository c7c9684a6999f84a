"""Finds the studies to show: by their files and folders, and all databases below a folder."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from paretune.search.database.damage import SUFFIXES, run_command, sqlite_file
from paretune.search.errors import UserError
from paretune.search.locate import StudyLocation, locate

DATABASES = (".db", ".sqlite", ".sqlite3")
"""Endings of files that may be a study database."""

USUAL = "study.db"
"""Name of a study's database; such a file that is none is listed with its error."""

MOST_STUDIES = 1000
"""Most studies that are shown."""

MOST_FOLDERS = 50_000
"""Most folders that are searched."""

SKIPPED = {"node_modules", "__pycache__", "site-packages", "stages", "artifacts"}
"""Folders that are not searched; neither are those with a dot."""


@dataclass(frozen=True)
class StudyEntry:
    """A study to show.

    Attributes:
        id: Its name in addresses: letters, digits, `-`, `_` and `.`.
        label: Its name for people: its path.
        location: File, folder and database; the file may be gone.
        error: Why the database cannot be read; None if it can.
    """

    id: str
    label: str
    location: StudyLocation
    error: str | None = None

    @property
    def file(self) -> Path | None:
        """The study file; None if it is not there."""
        return self.location.file if self.location.file.is_file() else None


def find_studies(paths: Sequence[Path]) -> list[StudyEntry]:
    """Returns the studies below folders, and those that files name; sorted by path.

    Args:
        paths: Folders to search, folders of studies, and study files.

    Raises:
        UserError: A path is not there, or is no study.
    """
    locations: dict[str, tuple[StudyLocation, str | None]] = {}
    for path in paths:
        for location, error in _at(path):
            locations.setdefault(location.url, (location, error))
    chosen = sorted(locations.values(), key=lambda each: str(each[0].folder))[:MOST_STUDIES]
    root = _common_root([location.folder for location, _ in chosen])
    entries: dict[str, StudyEntry] = {}
    for location, error in chosen:
        label = _label(location, root)
        name = _unique(_slug(label), entries)
        entries[name] = StudyEntry(name, label, location, error)
    return list(entries.values())


def _at(path: Path) -> Iterator[tuple[StudyLocation, str | None]]:
    """Yields the studies at a path."""
    if path.is_dir() and not (path / USUAL).is_file() and not _study_file(path):
        yield from _below(path)
        return
    location = locate(str(path))
    yield location, _error(location)


def _study_file(folder: Path) -> Path | None:
    """Returns the study file of a study's folder, which has its name; None if there is none."""
    resolved = folder.resolve()
    names = (resolved.with_name(resolved.name + suffix) for suffix in SUFFIXES)
    return next((name for name in names if name.is_file()), None)


def _below(folder: Path) -> Iterator[tuple[StudyLocation, str | None]]:
    """Yields the studies below a folder; links to folders are not followed."""
    for parent, folders, files in islice(os.walk(folder.resolve()), MOST_FOLDERS):
        folders[:] = sorted(f for f in folders if f not in SKIPPED and not f.startswith("."))
        for name in sorted(files):
            if name.endswith(DATABASES):
                location = _location(Path(parent) / name)
                error = _error(location, only_named=name != USUAL)
                if error != "":
                    yield location, error


def _location(database: Path) -> StudyLocation:
    folder = database.parent
    file = _study_file(folder) or folder.with_name(folder.name + SUFFIXES[0])
    return StudyLocation(file, folder, f"sqlite:///{database}")


def _error(location: StudyLocation, only_named: bool = False) -> str | None:
    """Returns why a database cannot be read; None if it can.

    Args:
        location: The study.
        only_named: Whether to return an empty text for a file that holds no study.
    """
    file = sqlite_file(location.url)
    if file is None:
        return None  # a database server; the page says whether it answers
    if not file.is_file():
        return f"it was not run yet; start it with: {run_command(file)}"
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            names = {n for (n,) in connection.execute("SELECT name FROM sqlite_master")}
    except sqlite3.DatabaseError as error:
        return "" if only_named else f"{file}: the study database cannot be read: {error}"
    if "paretune_study" not in names:
        return "" if only_named else f"{file}: there is no Paretune study in this database"
    return None


def _common_root(folders: Sequence[Path]) -> Path:
    if not folders:
        return Path()
    return Path(os.path.commonpath([folder.parent for folder in folders]))


def _label(location: StudyLocation, root: Path) -> str:
    label = os.path.relpath(location.folder, root)
    file = sqlite_file(location.url)
    return label if file is None or file.name == USUAL else f"{label}/{file.stem}"


def _slug(label: str) -> str:
    """Returns a name for addresses: no character of it has a meaning there."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", label).strip("-") or "study"


def _unique(name: str, taken: Collection[str]) -> str:
    number, unique = 1, name
    while unique in taken:
        number += 1
        unique = f"{name}-{number}"
    return unique


def refuse_no_study(paths: Sequence[Path], entries: Sequence[StudyEntry]) -> None:
    """Refuses paths without a study.

    Raises:
        UserError: There is none.
    """
    if not entries:
        names = ", ".join(map(str, paths))
        raise UserError(
            f"{names}: there is no study below this folder; give a study file, or start a study "
            "with: paretune run STUDY.yaml"
        )
