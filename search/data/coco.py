"""Reads boxes of COCO files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paretune.search.data.box_files import (
    BoxFiles,
    ImageBoxes,
    ImageIndex,
    annotations_below,
    number,
    read_json,
)
from paretune.search.data.class_folders import PART_NAMES, part_of
from paretune.search.data.file_tree import shown
from paretune.search.errors import UserError


def read_coco(path: Path, images: Path | None) -> BoxFiles:
    """Reads COCO files: one .json, or a folder with one for each part.

    The parts are told by the names of the files (instances_train2017.json) or of their folders
    (train/_annotations.coco.json). Boxes of crowds are left out.

    Args:
        path: The .json file, or the folder.
        images: Folder of the images.

    Raises:
        UserError: A file is damaged, or an image is missing.
    """
    files = {"train": path} if path.is_file() else _coco_files(path)
    parts: dict[str, list[ImageBoxes]] = {}
    names: tuple[str, ...] = ()
    crowds = 0
    for part, file in files.items():
        here = file.parent
        folders = (
            [images] if images else [here, here / "images", here.parent, here.parent / "images"]
        )
        content = read_json(file)
        names_here, parts[part], crowds_here = _coco_part(file, content, folders)
        if names and names_here != names:
            raise UserError(f"data: {shown(file)}: its categories differ from those of train")
        names, crowds = names_here, crowds + crowds_here
    note = f"{crowds} boxes of crowds are left out."
    return BoxFiles(parts, names, (note,) if crowds else ())


def _coco_files(folder: Path) -> dict[str, Path]:
    """Returns part -> its .json.

    Raises:
        UserError: There is none for the training part, or two for one.
    """
    listed = [file for file in annotations_below(folder) if file.suffix.lower() == ".json"]
    parts: dict[str, Path] = {}
    for file in listed:
        part = part_of(file.parent.name) or _part_in(file.stem)
        if part is None:
            continue
        if part in parts:
            raise UserError(
                f"data: {shown(folder)} has two files of {part}: {parts[part].name} and "
                f"{file.name}; leave one"
            )
        parts[part] = file
    if "train" not in parts:
        raise UserError(
            f"data: {shown(folder)} has no .json with train in its name or its folder's name"
        )
    return {part: parts[part] for part in PART_NAMES if part in parts}


def _part_in(stem: str) -> str | None:
    words = "".join(c if c.isalpha() else " " for c in stem.lower()).split()
    return next((part for word in words if (part := part_of(word))), None)


def _coco_part(
    file: Path, content: Any, folders: list[Path]
) -> tuple[tuple[str, ...], list[ImageBoxes], int]:
    """Returns the names of the classes, the images, and the number of boxes of crowds."""
    where = f"data: {shown(file)}"
    if not isinstance(content, Mapping) or not {"images", "annotations", "categories"} <= set(
        content
    ):
        raise UserError(f"{where}: give a COCO file with images, annotations and categories")
    index = ImageIndex(folders)
    try:
        categories = {int(c["id"]): str(c["name"]) for c in content["categories"]}
        listed = {
            image["id"]: ImageBoxes(index.file(str(image["file_name"]), where), where)
            for image in content["images"]
        }
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{where}: an image or category lacks {error}") from error
    crowds = 0
    for entry in content["annotations"]:
        at = f"{where}: annotation {entry.get('id') if isinstance(entry, Mapping) else entry}"
        try:
            image, category = listed[entry["image_id"]], int(entry["category_id"])
            x, y, width, height = (number(v, at, "bbox") for v in entry["bbox"])
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{at}: image_id, category_id or bbox is wrong: {error}") from error
        if category not in categories:
            raise UserError(f"{at}: there is no category {category}")
        if entry.get("iscrowd"):
            crowds += 1
            continue
        image.boxes.append((x, y, x + width, y + height))
        image.labels.append(categories[category])
    # Some tools write a category of all classes, with no box of its own.
    used = {label for image in listed.values() for label in image.labels}
    unused_first = {c["name"] for c in content["categories"]} - used
    supers = {c.get("supercategory") for c in content["categories"]}
    names = [
        name
        for _, name in sorted(categories.items())
        if not (name in unused_first and name in supers)
    ]
    return tuple(names), list(listed.values()), crowds
