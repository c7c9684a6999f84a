"""The other study of `paretune run --from`: found by its file, its folder or its database."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from paretune.search.database.damage import PREFIX, sqlite_file
from paretune.search.errors import UserError
from paretune.search.locate import locate

DATABASES = (".db", ".sqlite", ".sqlite3")


@dataclass(frozen=True)
class OriginStudy:
    """Another study, from which a run takes something over. Nothing of it is changed.

    Attributes:
        shown: Its name as the user typed it.
        url: Storage URL of its database.
        folder: Folder of its stages and artifacts; None if only the database is known.
        base: Folder of its study file, which its paths of checkpoints are relative to.
    """

    shown: str
    url: str
    folder: Path | None
    base: Path

    @staticmethod
    def of(text: str, url: str) -> OriginStudy:
        """Finds the study that `--from` names.

        Args:
            text: A study file, its folder, its database file or a storage URL.
            url: Storage URL of the study that is run.

        Raises:
            UserError: There is no such study, or it is the study that is run.
        """
        origin = _located(text)
        file = sqlite_file(origin.url)
        if file is not None and not file.is_file():
            raise UserError(
                f"--from {text}: that study has no trial yet ({file} is missing); give a study "
                "that was run, or leave --from out"
            )
        if origin.url == url or (file is not None and file == sqlite_file(url)):
            raise UserError(f"--from {text}: names this study itself; give another one")
        return origin


def _located(text: str) -> OriginStudy:
    if "://" in text:
        file = sqlite_file(text)
        return OriginStudy(text, text, *_folders(file))
    path = Path(text)
    if path.suffix.lower() in DATABASES and not path.is_dir():
        file = path.resolve()
        return OriginStudy(text, f"{PREFIX}{file}", *_folders(file))
    location = locate(text)
    return OriginStudy(text, location.url, location.folder, location.file.parent)


def _folders(file: Path | None) -> tuple[Path | None, Path]:
    """Returns the folders of a study whose database is a file in its folder."""
    return (None, Path()) if file is None else (file.parent, file.parent.parent)
