"""Reads boxes of YOLO files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paretune.search.data.box_files import BoxFiles, ImageBoxes, number
from paretune.search.data.class_folders import PART_NAMES
from paretune.search.data.file_tree import Skipped, examples_in, read_utf8, shown
from paretune.search.data.image_files import ENDINGS
from paretune.search.errors import UserError


def read_yolo(file: Path, images: Path | None) -> BoxFiles:
    """Reads a data.yaml of YOLO: train, val and test name folders or lists of images.

    The boxes of images/a.jpg are in labels/a.txt: class, center x, center y, width and height, as
    shares of the image. An image without such a file has no boxes.

    Args:
        file: The .yaml file.
        images: Folder that its paths are relative to, instead of `path`.

    Raises:
        UserError: A path, a key or a number is missing or wrong.
    """
    import yaml

    try:
        content = yaml.safe_load(read_utf8(file))
    except yaml.YAMLError as error:
        raise UserError(f"data: {shown(file)}: cannot be read as YAML: {error}") from error
    if not isinstance(content, Mapping) or not {"train", "names"} <= set(content):
        raise UserError(f"data: {shown(file)}: give train, val and names")
    names = content["names"]
    ordered = [str(names[key]) for key in sorted(names)] if isinstance(names, Mapping) else names
    if not isinstance(ordered, list) or not ordered:
        raise UserError(f"data: {shown(file)}: names: give a list of the classes")
    root = images or _yolo_root(file, content.get("path"))
    parts = {
        part: [_yolo_image(image, ordered) for image in _yolo_images(root, content[key], file)]
        for part in PART_NAMES
        for key in PART_NAMES[part]
        if content.get(key)
    }
    return BoxFiles(parts, tuple(map(str, ordered)))


def _yolo_root(file: Path, stated: Any) -> Path:
    """Returns the folder of `path`; that of the file if there is no such folder."""
    path = file.parent / str(stated or ".")
    return path if path.is_dir() else file.parent


def _yolo_images(root: Path, stated: Any, file: Path) -> list[Path]:
    """Returns the images of a part.

    Raises:
        UserError: There are none.
    """
    listed: list[Path] = []
    for entry in stated if isinstance(stated, list) else [stated]:
        # Roboflow writes ../train/images for train/images beside the file.
        paths = [root / str(entry), root / str(entry).removeprefix("../")]
        path = next((path for path in paths if path.exists()), None)
        if path is None:
            raise UserError(f"data: {shown(file)}: there is no {shown(paths[0])}")
        if path.is_dir():
            listed += examples_in(path, ENDINGS, Skipped())
        else:
            lines = [line.strip() for line in read_utf8(path).splitlines() if line.strip()]
            listed += [path.parent / line for line in lines]
    if not listed:
        raise UserError(f"data: {shown(file)}: {stated} holds no images")
    for image in listed:
        if not image.is_file():
            raise UserError(f"data: {shown(file)}: there is no image {shown(image)}")
    return listed


def _labels_of(image: Path) -> Path:
    """Returns the file with the boxes of an image: in labels/ for images/, else beside it."""
    parts = list(image.parts)
    if "images" in parts:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    text, beside = Path(*parts).with_suffix(".txt"), image.with_suffix(".txt")
    return beside if beside.is_file() and not text.is_file() else text


def _yolo_image(file: Path, names: list[Any]) -> ImageBoxes:
    text = _labels_of(file)
    image = ImageBoxes(file, f"data: {shown(text)}", relative=True)
    if not text.is_file():
        return image
    for line, row in enumerate(read_utf8(text).splitlines(), 1):
        cells, where = row.split(), f"data: {shown(text)}:{line}"
        if not cells:
            continue
        if len(cells) != 5:
            raise UserError(
                f"{where}: {len(cells)} numbers; write class, center x, center y, width, height"
            )
        kind, x, y, width, height = (number(cell, where, "a value") for cell in cells)
        if kind % 1 or not 0 <= kind < len(names):
            raise UserError(f"{where}: class {cells[0]}, but names has 0 to {len(names) - 1}")
        image.boxes.append((x - width / 2, y - height / 2, x + width / 2, y + height / 2))
        image.labels.append(str(names[int(kind)]))
    return image
