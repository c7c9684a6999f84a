"""The formats of boxes, and how they are told apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from paretune.search.data.box_files import BoxFiles, annotations_below
from paretune.search.data.box_tables import read_csv
from paretune.search.data.coco import read_coco
from paretune.search.data.file_tree import shown
from paretune.search.data.pascal_voc import read_voc
from paretune.search.data.yolo import read_yolo
from paretune.search.errors import UserError

FORMATS: Mapping[str, Callable[[Path, Path | None], BoxFiles]] = {
    "csv": read_csv,
    "coco": read_coco,
    "voc": read_voc,
    "yolo": read_yolo,
}
"""Format -> its reader."""


def format_of(path: Path) -> str:
    """Returns the format of a file or folder.

    Raises:
        UserError: It is none of them.
    """
    if path.is_file():
        endings = {".csv": "csv", ".tsv": "csv", ".json": "coco", ".yaml": "yolo", ".yml": "yolo"}
        if path.suffix.lower() in endings:
            return endings[path.suffix.lower()]
        raise UserError(
            f"data: {shown(path)}: give a .csv, a COCO .json, a YOLO data.yaml, or a folder"
        )
    for name in ("data.yaml", "data.yml"):
        if (path / name).is_file():
            return "yolo"
    kinds = {file.suffix.lower() for file in annotations_below(path)}
    if ".xml" in kinds:
        return "voc"
    if ".json" in kinds:
        return "coco"
    raise UserError(f"data: {shown(path)} holds no data.yaml, .json or .xml files of boxes")
