"""Images with boxes: COCO, Pascal VOC, YOLO, or a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from paretune.search.data.box_files import BoxFiles, ImageBoxes
from paretune.search.data.facts_of_targets import facts_of
from paretune.search.data.file_tree import shown
from paretune.search.data.image_files import decoded, refuse_different_sizes
from paretune.search.data.params import ImageDataParams
from paretune.search.data.raw_data import RawData, RawPart
from paretune.search.data.targets import BoxTargets, TargetsWanted, box_problem, refuse_bad_boxes
from paretune.search.errors import UserError

if TYPE_CHECKING:
    from paretune.search.data.image_headers import HeaderSurvey


class BoxesData:
    """Images with boxes: a COCO .json, a YOLO data.yaml, a folder of Pascal VOC, or a .csv."""

    primary = "path"
    holds = "images"
    reads: ClassVar = ("boxes",)

    class Params(ImageDataParams):
        """Options of boxes."""

        path: str = Field(
            description="a .csv with image, xmin, ymin, xmax, ymax, label and perhaps part, a COCO "
            ".json, a YOLO data.yaml, or a folder with such files for train, val and test, or with "
            "Pascal VOC files. Relative to the study file"
        )
        images: str | None = Field(
            None, description="folder of the images, if it is not beside the boxes"
        )
        format: Literal["auto", "csv", "coco", "voc", "yolo"] = Field(
            "auto", description="format of the boxes; auto tells it by the files"
        )
        faulty: Literal["refuse", "drop"] = Field(
            "refuse",
            description="what happens if boxes are empty, inverted or outside of their image: "
            "refuse the data, or drop these boxes",
        )
        color: Literal["RGB", "L"] = Field(
            "RGB", description="RGB: three channels; L: one channel, grey"
        )
        exif: bool = Field(
            True,
            description="turn photos upright by their EXIF tag; false if the boxes were drawn on "
            "photos that were not turned",
        )

    @staticmethod
    def load(params: Params, base: Path, wanted: TargetsWanted) -> RawData:
        """Returns the parts of the data set.

        Raises:
            UserError: A file is missing or damaged, images differ in size, or a box is no box.
        """
        from paretune.search.data.image_headers import HeaderSurvey

        path = (base / params.path).resolve()
        if not path.exists():
            raise UserError(f"data: {shown(path)}: there is no such file or folder")
        read = _read(path, params, base)
        files = [image.file for part in read.parts.values() for image in part]
        survey = HeaderSurvey(files, params.preparation(params.color, params.exif))
        refuse_different_sizes(survey, files)
        names = read.names or _sorted_names(read.parts["train"])
        parts, dropped = _parts(read, names, survey, params.faulty == "drop")
        size = survey.preparation.size(*survey.headers[files[0]].size)
        facts = replace(facts_of(f"data: {path.name}", parts, wanted, names), image=size)
        parts = decoded(params, parts, survey.preparation, survey)
        notes = (*read.notes, *survey.notes(), *dropped)
        return RawData(path.name, parts, facts, survey.preparation, True, notes=notes)


def _read(path: Path, params: BoxesData.Params, base: Path) -> BoxFiles:
    from paretune.search.data.box_formats import FORMATS, format_of

    images = None if params.images is None else (base / params.images).resolve()
    if images is not None and not images.is_dir():
        raise UserError(f"data: images: {shown(images)}: there is no such folder")
    kind = format_of(path) if params.format == "auto" else params.format
    if kind == "yolo" and path.is_dir():
        path = next(each for each in (path / "data.yaml", path / "data.yml") if each.is_file())
    read = FORMATS[kind](path, images)
    for part, listed in {"train": [], **read.parts}.items():
        if not listed:
            raise UserError(f"data: {shown(path)}: the {part} part has no images")
    return read


def _sorted_names(train: Sequence[ImageBoxes]) -> tuple[str, ...]:
    return tuple(sorted({label for image in train for label in image.labels}))


def _parts(
    read: BoxFiles, names: Sequence[str], survey: HeaderSurvey, drop: bool
) -> tuple[dict[str, RawPart], tuple[str, ...]]:
    """Returns the parts with boxes in pixels of the prepared images, and what was dropped."""
    from paretune.search.data.target_preparation import dropped_note, prepared_boxes

    numbers = {name: number for number, name in enumerate(names)}
    parts: dict[str, RawPart] = {}
    total = faulty = 0
    for part, images in read.parts.items():
        sizes = [survey.headers[image.file].size for image in images]
        if drop:
            pairs = zip(images, sizes, strict=True)
            faulty += sum(_drop_faulty(image, size) for image, size in pairs)
        targets = BoxTargets(
            tuple(_boxes(image, size) for image, size in zip(images, sizes, strict=True)),
            tuple(_labels(image, numbers) for image in images),
        )
        prepared, dropped = prepared_boxes(targets, survey.preparation, sizes)
        total += dropped
        parts[part] = RawPart(prepared, files=tuple(image.file for image in images))
    note = (f"{faulty} faulty {'box is' if faulty == 1 else 'boxes are'} dropped.",)
    return parts, (*(note if faulty else ()), *dropped_note(total))


def _drop_faulty(image: ImageBoxes, size: tuple[int, int]) -> int:
    """Removes boxes that are none, and returns their number."""
    scale = np.array([size[1], size[0]] * 2) if image.relative else 1.0
    kept = [box_problem(np.array(box) * scale, size) is None for box in image.boxes]
    image.boxes = [box for box, keep in zip(image.boxes, kept, strict=True) if keep]
    image.labels = [label for label, keep in zip(image.labels, kept, strict=True) if keep]
    return kept.count(False)


def _boxes(image: ImageBoxes, size: tuple[int, int]) -> np.ndarray:
    """Returns the boxes of an image in its pixels, float32 [n, 4].

    Raises:
        UserError: A box is empty, inverted or outside.
    """
    height, width = size
    boxes = np.array(image.boxes, dtype=np.float64).reshape(-1, 4)
    if image.relative:
        boxes = boxes * np.array([width, height, width, height])
    refuse_bad_boxes(f"{image.where}: {image.file.name}", boxes, size, "; or type faulty: drop")
    return boxes.clip(0, np.array([width, height, width, height])).astype(np.float32)


def _labels(image: ImageBoxes, numbers: Mapping[str, int]) -> np.ndarray:
    """Returns the classes of an image's boxes, int64 [n].

    Raises:
        UserError: A class is not one of the training part.
    """
    for label in image.labels:
        if label not in numbers:
            raise UserError(
                f'{image.where}: {image.file.name}: class "{label}" is not in the training part, '
                f"which has {', '.join(list(numbers)[:8])}"
            )
    return np.array([numbers[label] for label in image.labels], dtype=np.int64)
