"""The classification data sets of torchvision, by name."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from paretune.search.data.params import ImageDataParams
from paretune.search.data.raw_data import RawData, RawPart, checked_part, count_classes, notes_of
from paretune.search.errors import UserError
from paretune.search.tasks.target_facts import TargetFacts
from paretune.spaces.table import did_you_mean

if TYPE_CHECKING:
    from paretune.search.data.image_preparation import Preparation


class TorchvisionData:
    """A torchvision data set by name (CIFAR10, MNIST, ...), downloaded if it is not there."""

    primary = "name"

    class Params(ImageDataParams):
        """Options of torchvision."""

        name: str = Field(description="class name in torchvision.datasets: CIFAR10, MNIST, ...")
        root: str = Field("data", description="folder of the files, relative to the study file")
        download: bool = Field(True, description="download the files if they are not there")

    @staticmethod
    def load(params: Params, base: Path) -> RawData:
        """Returns train and test parts, and a validation part if the data set has one.

        Raises:
            UserError: There is no such data set, or its files are missing.
        """
        from torchvision import datasets

        names = [n for n in datasets.__all__ if inspect.isclass(getattr(datasets, n, None))]
        if params.name not in names:
            hint = did_you_mean(params.name, names) or "."
            raise UserError(f'data: torchvision has no data set "{params.name}"{hint}')
        kind = getattr(datasets, params.name)
        arguments = inspect.signature(kind.__init__).parameters
        root = (base / params.root).resolve()
        sources: dict[str, Any] = {}
        if "train" in arguments:
            for part, flag in (("train", True), ("test", False)):
                sources[part] = _open(kind, root, params, {"train": flag})
        elif "split" in arguments:
            for part, split in (("train", "train"), ("validation", "val"), ("test", "test")):
                source = _open(kind, root, params, {"split": split}, optional=part != "train")
                if source is not None:
                    sources[part] = source
        else:
            raise UserError(f"data: torchvision {params.name} has no training and test part")
        name = f"data: {params.name}"
        parts = {part: _as_part(name, part, source, params) for part, source in sources.items()}
        class_names = tuple(str(c) for c in getattr(sources["train"], "classes", ()))
        labels = {part: examples.labels for part, examples in parts.items()}
        facts = TargetFacts("class", count_classes(name, labels), class_names)
        prepared = params.reshapes and not all(map(_holds_arrays, sources.values()))
        preparation = params.preparation("RGB") if prepared else None
        return RawData(params.name, parts, facts, preparation, prepared, notes=notes_of(parts))


def _open(
    kind: Any,
    root: Path,
    params: TorchvisionData.Params,
    part: dict[str, Any],
    optional: bool = False,
) -> Any:
    """Returns a part of a torchvision data set; None if an optional part does not exist."""
    accepted = inspect.signature(kind.__init__).parameters
    arguments = {**part, **({"download": params.download} if "download" in accepted else {})}
    try:
        return kind(str(root), **arguments)
    except Exception as error:
        if optional and isinstance(error, ValueError):
            return None  # torchvision raises ValueError for an unknown split
        raise UserError(
            f"data: torchvision {params.name} in {root}: {error}. Put its files there, let it "
            "download (download: true), or use other data: --set data={npz: FILE}"
        ) from error


def _holds_arrays(source: Any) -> bool:
    return getattr(source, "data", None) is not None and _labels(source) is not None


def _labels(source: Any) -> Any:
    return next((getattr(source, k) for k in ("targets", "labels") if hasattr(source, k)), None)


def _as_part(name: str, part: str, source: Any, params: TorchvisionData.Params) -> RawPart:
    """Returns a torchvision data set as arrays; images that are no arrays are decoded to RGB.

    With a resize or a crop, images that are no arrays are prepared at once: they differ in size.

    Raises:
        UserError: The images differ in size.
    """
    if _holds_arrays(source):
        return checked_part(name, part, np.asarray(source.data), np.asarray(_labels(source)))
    preparation = params.preparation("RGB") if params.reshapes else None
    images: list[np.ndarray] = []
    labels: list[int] = []
    for image, label in source:
        images.append(_pixels(image, preparation))
        labels.append(label)
    if len({image.shape for image in images}) > 1:
        raise UserError(
            f"{name}: {part}: its images differ in size; give resize and crop: "
            "data: {torchvision: NAME, resize: 256, crop: 224}"
        )
    return checked_part(name, part, np.stack(images), np.array(labels))


def _pixels(image: Any, preparation: Preparation | None) -> np.ndarray:
    """Returns an image of a torchvision data set as an array [H, W] or [H, W, C]."""
    from PIL import Image

    picture = image if isinstance(image, Image.Image) else None
    if preparation is not None:
        picture = Image.fromarray(np.asarray(image)) if picture is None else picture
        return np.asarray(preparation.apply(picture.convert(preparation.color)))
    if picture is not None and picture.mode not in ("L", "RGB", "RGBA"):
        return np.asarray(picture.convert("RGB"))
    return np.asarray(image)
