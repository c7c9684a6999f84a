"""Images with masks: two folders of equally named files, which give each pixel a class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from paretune.search.data.class_folders import part_folders, paths_by_part
from paretune.search.data.facts_of_targets import facts_of, pixel_classes
from paretune.search.data.file_tree import Skipped, examples_in, shown, subfolders
from paretune.search.data.image_files import ENDINGS, decoded, refuse_different_sizes
from paretune.search.data.params import ImageDataParams
from paretune.search.data.raw_data import RawData, RawPart
from paretune.search.data.targets import TargetsWanted
from paretune.search.errors import UserError

if TYPE_CHECKING:
    from paretune.search.data.image_headers import HeaderSurvey

MASK_ENDINGS = (".png", ".bmp", ".tif", ".tiff", ".gif", ".pgm", ".pbm")
"""Endings of formats that keep each value."""

SUFFIXES = ("", "_mask", "-mask", "_masks", "_seg", "_label", "_labels", "_gt", "_L")
"""Ends that the name of a mask may have beside that of its image."""

WHITE = 255
"""Value of a mask's second class if black and white were saved."""

Pair = tuple[Path, Path]
"""An image file and its mask."""


class MasksData:
    """A folder with images/ and masks/, optionally below train/, val/ and test/ or above them."""

    primary = "folder"
    holds = "images"
    reads: ClassVar = ("mask",)

    class Params(ImageDataParams):
        """Options of masks."""

        folder: str = Field(description="path of the folder, relative to the study file")
        images: str = Field("images", description="name of the folders with images")
        masks: str = Field(
            "masks",
            description="name of the folders with masks: files like the images' with one number a "
            "pixel, from 0 (PNG with a palette or grey values)",
        )
        classes: list[str] = Field(
            [], description="names of the classes 0, 1, ...; if not given, they are counted"
        )
        color: Literal["RGB", "L"] = Field(
            "RGB", description="RGB: three channels; L: one channel, grey"
        )
        exif: bool = Field(
            True,
            description="turn photos upright by their EXIF tag; false if the masks were drawn on "
            "photos that were not turned",
        )

    @staticmethod
    def load(params: Params, base: Path, wanted: TargetsWanted) -> RawData:
        """Returns the parts of the folder; masks are always kept in memory.

        Raises:
            UserError: A folder or mask is missing, a file cannot be read, or sizes or values do
                not fit.
        """
        from paretune.search.data.image_headers import HeaderSurvey

        folder = (base / params.folder).resolve()
        if not folder.is_dir():
            raise UserError(f"data: {shown(folder)}: there is no such folder")
        pairs, notes = _pairs(folder, params)
        files = [image for of_part in pairs.values() for image, _ in of_part]
        survey = HeaderSurvey(files, params.preparation(params.color, params.exif))
        refuse_different_sizes(survey, files)
        masks = {part: _masks(of_part, survey) for part, of_part in pairs.items()}
        masks, changed = _without_white(masks, wanted)
        _refuse_classes_beyond(pairs, masks, params.classes, wanted)
        parts = {
            part: RawPart(
                _prepared(of_part, masks[part], survey, wanted),
                files=tuple(image for image, _ in of_part),
            )
            for part, of_part in pairs.items()
        }
        facts = facts_of(f"data: {folder.name}", parts, wanted, params.classes)
        parts = decoded(params, parts, survey.preparation, survey)
        return RawData(
            folder.name,
            parts,
            facts,
            survey.preparation,
            True,
            notes=(*notes, *survey.notes(), *changed),
        )


def read_mask(file: Path) -> np.ndarray:
    """Returns a file with one number for each pixel as uint8 or int64 [H, W].

    Raises:
        UserError: It cannot be read, or has colors.
    """
    from paretune.search.data.image_decoding import opened

    with opened(file) as image:
        if image.mode not in ("1", "L", "P", "I", "I;16", "I;16B", "I;16L"):
            raise UserError(
                f"{shown(file)}: the mask has mode {image.mode}; save one number for each pixel, "
                "as a PNG with a palette or grey values"
            )
        values = np.asarray(image)
    if values.dtype == bool:
        return values.astype(np.uint8)
    small = values.dtype == np.uint8 or (values.min() >= 0 and values.max() < 256)
    return values.astype(np.uint8 if small else np.int64)


def _pairs(folder: Path, params: MasksData.Params) -> tuple[dict[str, list[Pair]], tuple[str, ...]]:
    """Returns the images and masks of each part, and sentences about other files."""
    skipped, lonely = Skipped(), 0
    pairs: dict[str, list[Pair]] = {}
    for part, (images, masks) in _roots(folder, params).items():
        pairs[part], alone = _matched(images, masks, skipped)
        lonely += alone
    notes = [skipped.note()]
    if lonely:
        notes.append(f"{lonely} {'mask has' if lonely == 1 else 'masks have'} no image.")
    return pairs, tuple(note for note in notes if note)


def _roots(folder: Path, params: MasksData.Params) -> dict[str, tuple[Path, Path]]:
    """Returns the folder of images and that of masks of each part.

    Raises:
        UserError: One of them is missing.
    """
    images, masks = folder / params.images, folder / params.masks
    if images.is_dir() and masks.is_dir():
        of_images, of_masks = (paths_by_part(subfolders(each)) for each in (images, masks))
        if "train" not in of_images:
            return {"train": (images, masks)}
        for part in of_images:
            if part not in of_masks:
                raise UserError(
                    f"data: {shown(of_images[part])} has no folder of masks in {shown(masks)}"
                )
        return {part: (of_images[part], of_masks[part]) for part in of_images}
    roots: dict[str, tuple[Path, Path]] = {}
    for part, root in part_folders(folder).items():
        roots[part] = root / params.images, root / params.masks
        for path in roots[part]:
            if not path.is_dir():
                inside = ", ".join(each.name for each in subfolders(root)[:6]) or "no folders"
                raise UserError(
                    f"data: there is no folder {shown(path)}; put images and masks into "
                    f"{params.images}/ and {params.masks}/, or name yours with images: and masks:. "
                    f"{shown(root)} has {inside}"
                )
    return roots


def _matched(images: Path, masks: Path, skipped: Skipped) -> tuple[list[Pair], int]:
    """Returns each image with its mask, and the number of masks without an image.

    Raises:
        UserError: An image has no mask, or there are no images.
    """
    files = examples_in(images, ENDINGS, skipped)
    if not files:
        raise UserError(f"data: {shown(images)} holds no images")
    by_key: dict[str, Path] = {}
    for mask in examples_in(masks, MASK_ENDINGS, skipped):
        by_key.setdefault(_key(mask, masks), mask)
    pairs: list[Pair] = []
    missing: list[Path] = []
    for file in files:
        key = _key(file, images)
        match = next((by_key[key + end] for end in SUFFIXES if key + end in by_key), None)
        if match is None:
            missing.append(file)
        else:
            pairs.append((file, match))
    if missing:
        more = f" and {len(missing) - 1} more images" if len(missing) > 1 else ""
        raise UserError(
            f"data: {shown(missing[0])}{more} without a mask in {shown(masks)}; name it "
            f"{missing[0].stem}.png, in a format that keeps each value"
        )
    return pairs, len(by_key) - len({mask for _, mask in pairs})


def _key(file: Path, root: Path) -> str:
    return file.relative_to(root).with_suffix("").as_posix()


def _masks(pairs: Sequence[Pair], survey: HeaderSurvey) -> list[np.ndarray]:
    """Returns the masks of a part in the sizes of their images.

    Raises:
        UserError: A mask has another size than its image.
    """
    masks = []
    for image, file in pairs:
        mask, size = read_mask(file), survey.headers[image].size
        if mask.shape != size:
            raise UserError(
                f"{shown(file)}: the mask has {mask.shape[0]} x {mask.shape[1]} pixels, but its "
                f"image {image.name} {size[0]} x {size[1]}; give one number for each pixel"
            )
        masks.append(mask)
    return masks


def _without_white(
    masks: Mapping[str, list[np.ndarray]], wanted: TargetsWanted
) -> tuple[dict[str, list[np.ndarray]], tuple[str, ...]]:
    """Returns black and white masks with the classes 0 and 1, and a sentence about it."""
    values = {value for mask in _all(masks) for value in pixel_classes(mask, None).tolist()}
    if values != {0, WHITE} or wanted.ignore == WHITE:
        return dict(masks), ()
    as_classes = {part: [mask // WHITE for mask in each] for part, each in masks.items()}
    return as_classes, ("The masks are black and white; white is class 1.",)


def _all(masks: Mapping[str, list[np.ndarray]]) -> Iterator[np.ndarray]:
    for of_part in masks.values():
        yield from of_part


def _refuse_classes_beyond(
    pairs: Mapping[str, Sequence[Pair]],
    masks: Mapping[str, list[np.ndarray]],
    names: Sequence[str],
    wanted: TargetsWanted,
) -> None:
    """Refuses a class beyond the names, or beyond those of the training part.

    Raises:
        UserError: The text names the file.
    """
    train = {c for mask in masks["train"] for c in pixel_classes(mask, wanted.ignore).tolist()}
    count = len(names) or max(train, default=-1) + 1
    for part, of_part in pairs.items():
        for (_, file), mask in zip(of_part, masks[part], strict=True):
            for value in pixel_classes(mask, wanted.ignore).tolist():
                if value >= count or value < 0:
                    raise UserError(
                        f"{shown(file)}: the mask has the value {value}, but the classes are 0 to "
                        f"{count - 1}; if it marks pixels without a class, type task: "
                        f"{{segmentation: {{ignore: {value}}}}}"
                    )


def _prepared(
    pairs: Sequence[Pair], masks: list[np.ndarray], survey: HeaderSurvey, wanted: TargetsWanted
) -> np.ndarray:
    from paretune.search.data.target_preparation import prepared_mask

    prepared = [
        prepared_mask(shown(file), mask, survey.preparation, wanted.ignore)
        for (_, file), mask in zip(pairs, masks, strict=True)
    ]
    return np.stack(prepared)
