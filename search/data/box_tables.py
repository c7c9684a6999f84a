"""Reads boxes of a .csv or .tsv file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from paretune.search.data.box_files import BoxFiles, ImageBoxes, ImageIndex, number
from paretune.search.data.class_folders import PART_NAMES, part_of
from paretune.search.data.csv_table import read_columns
from paretune.search.data.file_tree import shown
from paretune.search.data.targets import BOX
from paretune.search.errors import UserError


def read_csv(file: Path, images: Path | None) -> BoxFiles:
    """Reads a table with the columns image, xmin, ymin, xmax, ymax, label, and optionally part.

    A row whose box is empty is an image without boxes.

    Args:
        file: The .csv or .tsv file.
        images: Folder of the images; that of the file if not given.

    Raises:
        UserError: A column, an image or a number is missing or wrong.
    """
    folder = images or file.parent
    index = ImageIndex([folder, folder / "images"])
    columns, lines = read_columns(file, ("image", *BOX, "label"), optional=("part",))
    parts: dict[str, dict[str, ImageBoxes]] = {}
    for row, line in enumerate(lines):
        where = f"data: {shown(file)}:{line}"
        stated = columns["part"][row].strip() if "part" in columns else "train"
        part = part_of(stated)
        if part is None:
            raise UserError(f'{where}: part "{stated}"; write train, validation or test')
        name = columns["image"][row].strip()
        image = parts.setdefault(part, {}).get(name)
        if image is None:
            image = ImageBoxes(index.file(name, where), where)
            parts[part][name] = image
        cells = [columns[side][row].strip() for side in BOX]
        if any(cells):
            values = [number(cell, where, side) for cell, side in zip(cells, BOX, strict=True)]
            label = columns["label"][row].strip()
            if not label:
                raise UserError(f"{where}: this box lacks its label")
            image.boxes.append((values[0], values[1], values[2], values[3]))
            image.labels.append(label)
    _refuse_twice(parts, file)
    return BoxFiles({part: list(parts[part].values()) for part in PART_NAMES if part in parts})


def _refuse_twice(parts: Mapping[str, Mapping[str, ImageBoxes]], file: Path) -> None:
    first: dict[str, str] = {}
    for part, images in parts.items():
        for name in images:
            if first.setdefault(name, part) != part:
                raise UserError(
                    f"data: {shown(file)}: the image {name} is in the parts {first[name]} and "
                    f"{part}; leave it in one"
                )
