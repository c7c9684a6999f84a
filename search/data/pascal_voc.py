"""Reads boxes of Pascal VOC files."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from paretune.search.data.box_files import (
    BoxFiles,
    ImageBoxes,
    ImageIndex,
    annotations_below,
    number,
)
from paretune.search.data.class_folders import PART_NAMES, part_of, paths_by_part
from paretune.search.data.file_tree import read_utf8, shown, subfolders, visible
from paretune.search.data.image_files import ENDINGS
from paretune.search.data.targets import BOX
from paretune.search.errors import UserError


def read_voc(folder: Path, images: Path | None) -> BoxFiles:
    """Reads a folder of Pascal VOC files.

    Parts are folders (train/*.xml beside the images), or lists ImageSets/Main/train.txt. Corners
    count pixels from 1, and belong to the box, as in Pascal VOC.

    Args:
        folder: Folder of the data set, or of its .xml files.
        images: Folder of the images.

    Raises:
        UserError: A file is damaged, or an image is missing.
    """
    roots = paths_by_part(subfolders(folder))
    if "train" in roots:
        parts = {part: _voc_files(roots[part]) for part in PART_NAMES if part in roots}
    else:
        parts = _voc_lists(folder, _voc_files(folder))
    index = ImageIndex([images] if images else [folder / "JPEGImages", folder / "images", folder])
    return BoxFiles(
        {part: [_voc_image(file, index) for file in files] for part, files in parts.items()}
    )


def _voc_files(folder: Path) -> list[Path]:
    files = [file for file in annotations_below(folder) if file.suffix.lower() == ".xml"]
    if not files:
        raise UserError(f"data: {shown(folder)} holds no .xml files")
    return files


def _voc_lists(folder: Path, files: list[Path]) -> dict[str, list[Path]]:
    """Returns the files of each part, as the lists in ImageSets/Main say; else all as train."""
    lists = folder / "ImageSets" / "Main"
    texts = {part_of(file.stem): file for file in visible(lists)} if lists.is_dir() else {}
    if "train" not in texts:
        return {"train": files}
    by_stem = {file.stem: file for file in files}
    parts: dict[str, list[Path]] = {}
    for part in PART_NAMES:
        if part not in texts:
            continue
        stems = [line.split()[0] for line in read_utf8(texts[part]).splitlines() if line.strip()]
        absent = [stem for stem in stems if stem not in by_stem]
        if absent:
            raise UserError(f"data: {shown(texts[part])}: there is no {absent[0]}.xml")
        parts[part] = [by_stem[stem] for stem in stems]
    return parts


def _voc_image(file: Path, index: ImageIndex) -> ImageBoxes:
    where = f"data: {shown(file)}"
    try:
        root = ElementTree.fromstring(read_utf8(file))
    except ElementTree.ParseError as error:
        raise UserError(f"{where}:{error.position[0]}: cannot be read as XML: {error}") from error
    name = root.findtext("filename") or f"{file.stem}.jpg"
    image = ImageBoxes(_voc_picture(file, name, index, where), where)
    for entry in root.iter("object"):
        label, box = (entry.findtext("name") or "").strip(), entry.find("bndbox")
        if not label or box is None:
            raise UserError(f"{where}: an object lacks its name or bndbox")
        xmin, ymin, xmax, ymax = (number(box.findtext(side), where, side) for side in BOX)
        # Some tools count from 0; then the first pixel is 0 already.
        image.boxes.append((max(0.0, xmin - 1), max(0.0, ymin - 1), xmax, ymax))
        image.labels.append(label)
    return image


def _voc_picture(file: Path, name: str, index: ImageIndex, where: str) -> Path:
    """Returns the image of a VOC file; one beside it with the same name wins."""
    for ending in ENDINGS:
        if (beside := file.with_suffix(ending)).is_file():
            return beside
    return index.file(name, where)
