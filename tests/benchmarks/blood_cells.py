"""Cuts blood cells out of photos, as folders of images for `blood_cells.yaml`.

    python tests/benchmarks/blood_cells.py BCCD.zip FOLDER

BCCD.zip holds photos of 640x480 pixels (`images/`) and `boxes.csv`: part, image, corners and label
(BCCD_Dataset by Shenggan and cosmicad). FOLDER gets train/, val/ and test/ with a folder for each
class, in the data set's own parts. The images have the size of their boxes. A photo has a dozen red
cells, so at most MOST boxes of a class are taken from it, the first ones of the table.
"""

from __future__ import annotations

import csv
import io
import sys
import zipfile
from collections import Counter
from pathlib import Path

from PIL import Image

MOST = 3
"""Boxes of a class that are taken from one photo."""

LEAST = 12
"""Pixels of a box's shorter side; two boxes of the table are empty."""


def corners(row: dict[str, str]) -> tuple[int, int, int, int]:
    """Returns left, top, right and bottom of a box in pixels."""
    left, top, right, bottom = (int(row[key]) for key in ("xmin", "ymin", "xmax", "ymax"))
    return left, top, right, bottom


def chosen(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Returns the boxes that are cut out."""
    taken: Counter[tuple[str, str]] = Counter()
    boxes = []
    for row in rows:
        left, top, right, bottom = corners(row)
        key = (row["image"], row["label"])
        if min(right - left, bottom - top) >= LEAST and taken[key] < MOST:
            taken[key] += 1
            boxes.append(row)
    return boxes


def main(source: Path, target: Path) -> None:
    """Writes the images of all parts, and prints their numbers."""
    with zipfile.ZipFile(source) as file:
        table = io.TextIOWrapper(file.open("boxes.csv"), encoding="utf-8")
        boxes = chosen(list(csv.DictReader(table)))
        for number, row in enumerate(boxes):
            folder = target / row["part"] / row["label"]
            folder.mkdir(parents=True, exist_ok=True)
            photo = Image.open(file.open(f"images/{row['image']}"))
            photo.crop(corners(row)).save(folder / f"{Path(row['image']).stem}-{number}.png")
    for (part, label), count in sorted(Counter((r["part"], r["label"]) for r in boxes).items()):
        print(f"{part:<6} {label:<10} {count:5}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
