"""What readers of boxes share: the boxes of one image, and the parts of a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paretune.search.data.file_tree import Skipped, examples_in, read_utf8, shown
from paretune.search.data.image_files import ENDINGS
from paretune.search.errors import UserError


@dataclass
class ImageBoxes:
    """The boxes of an image file.

    Attributes:
        file: The image.
        where: File and line of the boxes, for messages.
        boxes: xmin, ymin, xmax, ymax of each box, in pixels; or in [0, 1] if `relative`.
        labels: Name of the class of each box.
        relative: Whether the boxes are in shares of the image's width and height.
    """

    file: Path
    where: str
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    relative: bool = False


@dataclass(frozen=True)
class BoxFiles:
    """Images with boxes, as an annotation format gives them.

    Attributes:
        parts: Part -> images.
        names: Names of the classes in order; empty to sort those of the training part.
        notes: Sentences about what was left out.
    """

    parts: Mapping[str, list[ImageBoxes]]
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class ImageIndex:
    """Finds image files by the names that annotations give.

    Args:
        folders: Folders of images; each is searched with those below it.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = [folder for folder in dict.fromkeys(folders) if folder.is_dir()]
        self._by_name: dict[str, Path] | None = None

    def file(self, name: str, where: str) -> Path:
        """Returns the file of an image.

        Args:
            name: Its name, with or without folders above it.
            where: File and line that name it, for messages.

        Raises:
            UserError: There is no such file.
        """
        for folder in self._folders:
            if (folder / name).is_file():
                return folder / name
        if self._by_name is None:
            self._by_name = {
                each.name: each
                for folder in reversed(self._folders)
                for each in examples_in(folder, ENDINGS, Skipped())
            }
        file = self._by_name.get(Path(name).name)
        if file is None:
            folders = ", ".join(shown(folder) for folder in self._folders) or "no folder"
            raise UserError(
                f"{where}: there is no image {name} in {folders}; name the folder of the images "
                "with images: FOLDER"
            )
        return file


def read_json(file: Path) -> Any:
    """Returns the content of a JSON file.

    Raises:
        UserError: It cannot be read.
    """
    try:
        return json.loads(read_utf8(file))
    except json.JSONDecodeError as error:
        raise UserError(
            f"data: {shown(file)}:{error.lineno}: cannot be read as JSON: {error.msg}"
        ) from error


def number(value: Any, where: str, name: str) -> float:
    """Returns a number of an annotation.

    Raises:
        UserError: It is none.
    """
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}: {name} is {value!r}; give a number") from error


def annotations_below(folder: Path) -> list[Path]:
    """Returns the .json and .xml files in a folder and below it, sorted."""
    return examples_in(folder, (".json", ".xml"), Skipped())
