"""What STUDY on the command line means: a study file, or a study's folder."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paretune.search.database.reader import study_reader
from paretune.search.errors import UserError
from paretune.search.study_file.storage import storage_url

if TYPE_CHECKING:
    from paretune.search.study.spec import StudySpec

ENDINGS = (".yaml", ".yml")


@dataclass(frozen=True)
class StudyLocation:
    """Where a study lives.

    Attributes:
        file: The study file; it need not be there any more.
        folder: The study's own folder.
        url: Of its database.
    """

    file: Path
    folder: Path
    url: str

    def spec(self) -> StudySpec:
        """The study as it was run last, --set options included.

        Raises:
            UserError: There is no study in the database.
        """
        from paretune.search.study_file.loading import load_source

        with study_reader(self.url) as found:
            source = dict(found.study()["source"])
        return load_source(source, self.file, storage=self.url)


def locate(study: str, storage: str | None = None) -> StudyLocation:
    """Finds a study.

    Args:
        study: A study file or a study's folder.
        storage: --storage, in place of the file's.

    Raises:
        UserError: There is neither.
    """
    path = Path(study)
    if path.is_dir():
        folder = path.resolve()
        beside = [folder.with_name(folder.name + ending) for ending in ENDINGS]
        file = next((f for f in beside if f.is_file()), beside[0])
    elif path.is_file():
        file, folder = path.resolve(), path.resolve().with_suffix("")
    else:
        raise UserError(f"{study}: there is no such study file, and no such folder")
    if storage is None and file.is_file():
        storage = _named_in(file)
    return StudyLocation(file, folder, storage_url(storage or "sqlite", folder))


def _named_in(file: Path) -> str | None:
    """The storage that a study file names."""
    with suppress(OSError):
        if b"storage" not in file.read_bytes():
            return None
    # To import YAML takes half as long as to read the front of ten thousand trials.
    from paretune.search.study_file.document import read_document

    given = read_document(file).data.get("storage")
    return given if isinstance(given, str) else None
