"""Reads boxes of COCO, Pascal VOC, YOLO and CSV files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from paretune.search.data.box_files import (
    BoxFiles,
    ImageBoxes,
    ImageIndex,
    number,
    read_json,
)
from paretune.search.data.class_folders import PART_NAMES, part_of, paths_by_part
from paretune.search.data.csv_table import read_columns
from paretune.search.data.file_tree import (
    Skipped,
    examples_in,
    read_utf8,
    shown,
    subfolders,
    visible,
)
from paretune.search.data.image_files import ENDINGS
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
    listed = [file for file in _below(folder) if file.suffix.lower() == ".json"]
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
    files = [file for file in _below(folder) if file.suffix.lower() == ".xml"]
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


def _yolo_image(file: Path, names: list[Any]) -> ImageBoxes:
    parts = list(file.parts)
    for index in range(len(parts) - 1, -1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    text = Path(*parts).with_suffix(".txt")
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


def _below(folder: Path) -> Iterator[Path]:
    yield from examples_in(folder, (".json", ".xml"), Skipped())


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
    kinds = {file.suffix.lower() for file in _below(path)}
    if ".xml" in kinds:
        return "voc"
    if ".json" in kinds:
        return "coco"
    raise UserError(f"data: {shown(path)} holds no data.yaml, .json or .xml files of boxes")
