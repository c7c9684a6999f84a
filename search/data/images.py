"""Image files in one folder per class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from paretune.search.data.class_folders import (
    class_folders,
    files_by_class,
    other_folders,
    part_folders,
    stray_files,
)
from paretune.search.data.facts_of_targets import class_facts
from paretune.search.data.file_tree import Skipped, shown
from paretune.search.data.image_files import ENDINGS, decoded, refuse_different_sizes
from paretune.search.data.params import ImageDataParams
from paretune.search.data.raw_data import RawData, RawPart
from paretune.search.errors import UserError

if TYPE_CHECKING:
    from paretune.search.data.image_headers import HeaderSurvey
    from paretune.search.data.image_preparation import Preparation


class ImagesData:
    """A folder of images with one subfolder per class, optionally below train/, val/ and test/."""

    primary = "folder"

    class Params(ImageDataParams):
        """Options of images."""

        folder: str = Field(description="path of the folder, relative to the study file")
        size: Annotated[int, Field(ge=1, le=4096)] | None = Field(
            None,
            description="side in pixels of the square that images are resized to, without keeping "
            "the aspect ratio. Without size, resize and crop, all get the size of the first image",
        )
        color: Literal["RGB", "L"] = Field(
            "RGB", description="RGB: three channels; L: one channel, grey"
        )
        exif: bool = Field(
            True,
            description="turn photos upright by their EXIF tag; false reads them as torchvision's "
            "ImageFolder does",
        )

        @model_validator(mode="after")
        def _check_size(self) -> ImagesData.Params:
            clash = [key for key in ("resize", "crop", "preset") if getattr(self, key) is not None]
            if self.size is not None and clash:
                raise ValueError(
                    f"size cannot stand beside {clash[0]}; size: N means resize: [N, N]"
                )
            try:
                self.normalization(len(self.color))
            except ValueError as error:
                raise ValueError(f"{error} (color: {self.color})") from error
            return self

    @staticmethod
    def load(params: Params, base: Path) -> RawData:
        """Returns the parts of the folder; they are decoded if they fit into memory.

        Raises:
            UserError: The folder is missing or empty, or an image cannot be read.
        """
        from paretune.search.data.image_headers import HeaderSurvey

        folder = (base / params.folder).resolve()
        if not folder.is_dir():
            raise UserError(f"data: {shown(folder)}: there is no such folder")
        roots = part_folders(folder)
        folders = class_folders(roots["train"])
        names = tuple(folders)
        if not names:
            raise UserError(
                f"data: {shown(roots['train'])} has no folders; put each class's images into one"
            )
        name, skipped = f"data: {folder.name}", Skipped()
        parts = {
            part: RawPart(*_labels_none_files(root, names, skipped)) for part, root in roots.items()
        }
        for label, one in enumerate(names):
            if label not in parts["train"].labels:
                raise UserError(f"data: {shown(folders[one][0])} holds no images")
        facts = class_facts(name, parts, names)
        files = [file for part in parts.values() for file in part.files]
        survey = HeaderSurvey(files, params.preparation(params.color, params.exif))
        preparation, distorted = _to_one_size(survey, files, params)
        parts = decoded(params, parts, preparation, survey)
        notes = (*_notes(folder, roots, skipped), *survey.notes(), *distorted)
        changed = frozenset(file for file in files if survey.changed(file))
        return RawData(folder.name, parts, facts, preparation, True, changed, tuple(notes))


def _labels_none_files(
    root: Path, names: tuple[str, ...], skipped: Skipped
) -> tuple[np.ndarray, None, tuple[Path, ...]]:
    labels, files = files_by_class(root, names, ENDINGS, "images", skipped)
    return labels, None, files


def _to_one_size(
    survey: HeaderSurvey, files: list[Path], params: ImagesData.Params
) -> tuple[Preparation, tuple[str, ...]]:
    """Returns a preparation that gives all images one size, and a sentence if it distorts them.

    Raises:
        UserError: The images differ in size after a resize that keeps the aspect ratio.
    """
    preparation = survey.preparation
    if params.size is not None:
        return replace(preparation, resize=(params.size, params.size)), ()
    if not params.reshapes:
        return _as_first(survey, files)
    refuse_different_sizes(survey, files)
    return preparation, ()


def _as_first(survey: HeaderSurvey, files: list[Path]) -> tuple[Preparation, tuple[str, ...]]:
    """Returns a preparation that resizes all images to the size of the first one."""
    from paretune.search.data.image_decoding import read_image

    image = read_image(files[0], survey.preparation)
    size = image.height, image.width
    distorted: tuple[str, ...] = ()
    others = sum(count for one, count in survey.sizes.items() if one != size)
    if others:
        distorted = (
            f"{others} of {len(files)} images have another size than the first one; all were "
            f"resized to {size[0]} x {size[1]}, which distorts them. Give resize and crop, or "
            "size.",
        )
    return replace(survey.preparation, resize=size), distorted


def _notes(folder: Path, roots: Mapping[str, Path], skipped: Skipped) -> Iterator[str]:
    """Yields a sentence for each kind of file or folder that is not read."""
    note = skipped.note()
    if note:
        yield note
    strays = sum(stray_files(root, ENDINGS) for root in {folder, *roots.values()})
    if strays:
        yield (
            f"Skipped {strays} {'image' if strays == 1 else 'images'} beside the folders of the "
            "classes."
        )
    others = other_folders(folder, roots)
    if others:
        yield f"Skipped folders that are no part of the data: {', '.join(others[:5])}."
