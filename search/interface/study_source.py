"""Where a study comes from: a file, the folder of a study that was run, or sections in Python."""

from __future__ import annotations

import copy
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.search.errors import UserError
from paretune.search.locate import StudyLocation, locate
from paretune.search.study_file.storage import storage_url

if TYPE_CHECKING:
    from paretune.search.study.spec import StudySpec
    from paretune.search.study_file.document import Document
    from paretune.search.study_file.problems import Key
    from paretune.search.user_code.live import LiveObject

DATABASE = "study.db"
"""Name of the database in a study's folder."""

HEADER = b"SQLite format 3\0"

ORIGIN = "Study"
"""Stands for the file in errors about sections in Python."""


@dataclass(frozen=True)
class StudySource:
    """File or sections of a study, and the place of its database.

    Attributes:
        location: File, folder and database.
        sections: The sections in Python, as plain data; None for a study of a file or a folder.
        objects: Name -> object that exists in this process alone.
        overrides: What replaces values of the file, as `a.b=c`.
        storage: What replaces the storage of the file, or None.
    """

    location: StudyLocation
    sections: Mapping[str, Any] | None = None
    objects: Mapping[str, LiveObject] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    storage: str | None = None

    def spec(self, trials: int | None = None, time: str | None = None) -> StudySpec:
        """Returns the checked study.

        Args:
            trials: Replaces its number of trials.
            time: Replaces its time budget.

        Raises:
            StudyFileError: The study has mistakes; the error lists all of them.
        """
        from paretune.search.study_file.loading import load_document

        return load_document(
            self._document(),
            self.location.file,
            storage=self.storage or (None if self.has_file else self.location.url),
            trials=trials,
            time=time,
        )

    @property
    def has_file(self) -> bool:
        """Whether the study is read from its file."""
        return self.sections is None and self.location.file.is_file()

    def where(self) -> Callable[[Key], str]:
        """Returns the function that names the file and line of a key, or the Python section."""
        return self._document().where

    def _document(self) -> Document:
        from paretune.search.study_file.document import Document, read_document

        if self.has_file:
            return read_document(self.location.file, self.overrides)
        if self.sections is not None:
            document = Document(ORIGIN, copy.deepcopy(dict(self.sections)))
        else:
            document = Document(str(self.location.folder), self._stored())
        for assignment in self.overrides:
            document.override(assignment)
        return document

    def _stored(self) -> dict[str, Any]:
        """Returns the sections that the database keeps of the last run."""
        from paretune.search.database.reader import study_reader

        with study_reader(self.location.url) as reader:
            return dict(reader.study()["source"])

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Makes the user's modules and objects importable until the end of the block.

        Raises:
            UserError: Another study at work in this process has others of the same names.
        """
        from paretune.search.user_code.folders import FolderConflict, study_at_work
        from paretune.search.user_code.live import LiveConflict, live_objects

        with ExitStack() as stack:
            try:
                stack.enter_context(study_at_work(self.location.file.parent))
                stack.enter_context(live_objects(self.objects))
            except LiveConflict as error:
                raise UserError(
                    f"another study at work in this process has a different {error}; wait for its "
                    "end, or give one of the two another name"
                ) from error
            except FolderConflict as error:
                raise UserError(str(error)) from error
            yield

    def refuse_workers(self, argument: str) -> None:
        """Refuses other processes if they could not run the study.

        Args:
            argument: The argument of `run` that asks for them, and its value: `workers=2`.

        Raises:
            UserError: The study has objects of this process.
        """
        from paretune.search.user_code import dotted_paths

        paths = dotted_paths(self._document().data)
        names = ", ".join(
            [*self.objects, *(path for path in paths if path.startswith("__main__:"))]
        )
        if names:
            raise UserError(
                f"{argument}: {names} exists in this process only; move it into a file, "
                'such as my_task.py, and import it from there ("my_task:Plates" in a study file), '
                f"so that other processes can, too; or leave {argument.partition('=')[0]} out"
            )

    def file_for_workers(self) -> Path:
        """Returns a study file for other processes; one of sections is written first.

        Raises:
            UserError: There is another file of that name.
        """
        file = self.location.file
        if self.has_file:
            return file
        import yaml

        text = yaml.safe_dump(self._document().data, sort_keys=False)
        if file.exists() and file.read_text(encoding="utf-8") != text:
            raise UserError(
                f"{file}: this study file differs from the sections in Python; for other workers, "
                "give the study another folder, or remove the file"
            )
        from paretune.search.files import write_atomically

        return write_atomically(file, text)


def source_of_path(
    path: str | os.PathLike[str], overrides: tuple[str, ...], storage: str | None
) -> StudySource:
    """Returns the source of a study file, of a study's folder or of its database.

    Raises:
        UserError: There is no such file or folder.
    """
    file = Path(path)
    if file.is_file() and _is_database(file):
        location = locate(str(file.parent.absolute()))
        url = storage_url("sqlite", file.parent.absolute())
        if file.name != DATABASE:
            url = f"sqlite:///{file.absolute()}"
        return StudySource(
            StudyLocation(location.file, location.folder, url), None, {}, overrides, url
        )
    return StudySource(locate(str(file), storage), None, {}, overrides, storage)


def source_of_sections(
    sections: Mapping[str, Any],
    folder: str | os.PathLike[str] | None,
    overrides: tuple[str, ...],
    storage: str | None,
) -> StudySource:
    """Returns the source of a study in Python.

    Raises:
        UserError: A section is unknown, or there is no folder.
    """
    from paretune.search.interface.live_sections import LiveSections

    if folder is None:
        name = sections.get("study")
        if not isinstance(name, str):
            raise UserError(
                'Study: give the folder that keeps its trials: folder="plates"; it is made if it '
                "does not exist"
            )
        folder = name
    live = LiveSections(sections)
    root = Path(folder).absolute()
    url = storage_url(storage or str(live.data.get("storage") or "sqlite"), root)
    location = StudyLocation(root.with_name(f"{root.name}.yaml"), root, url)
    return StudySource(location, live.data, live.objects, overrides, storage)


def overrides_of(values: Mapping[str, Any] | Sequence[str]) -> tuple[str, ...]:
    """Returns what replaces values of a study as `a.b=c`, as --set has it.

    Args:
        values: {"a.b": c}, or texts `a.b=c`.
    """
    if isinstance(values, Mapping):
        return tuple(f"{key}={json.dumps(value)}" for key, value in values.items())
    if isinstance(values, str):
        return (values,)
    return tuple(values)


def time_text(time: str | float | None) -> str | None:
    """Returns a time limit as text; a number means seconds."""
    return time if isinstance(time, str | None) else f"{math.ceil(time)}s"


def refuse_unknown(sections: Iterable[str], names: Sequence[str]) -> None:
    """Refuses a keyword that is no section of a study.

    Raises:
        UserError: There is one; the text names the section that was probably meant.
    """
    from paretune.spaces.table import did_you_mean

    for name in sections:
        if name not in names:
            hint = did_you_mean(name, list(names)) or "."
            raise UserError(f"Study: unknown section {name}{hint} Known: {', '.join(names)}.")


def _is_database(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(len(HEADER)) == HEADER
