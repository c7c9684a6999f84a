"""The classification data sets of torchvision, by name."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from paretune.search.data.params import ImageDataParams
from paretune.search.data.raw_data import RawData, RawPart, checked_part, count_classes
from paretune.search.errors import UserError
from paretune.spaces.table import did_you_mean


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
        parts = {part: _as_part(name, part, source) for part, source in sources.items()}
        classes = tuple(str(c) for c in getattr(sources["train"], "classes", ()))
        return RawData(params.name, parts, count_classes(name, parts), classes)


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


def _as_part(name: str, part: str, source: Any) -> RawPart:
    """Returns a torchvision data set as arrays; images are decoded unless they are arrays."""
    labels = next((getattr(source, k) for k in ("targets", "labels") if hasattr(source, k)), None)
    images = getattr(source, "data", None)
    if images is None or labels is None:
        pairs = [(np.asarray(image), label) for image, label in source]
        if len({image.shape for image, _ in pairs}) > 1:
            raise UserError(
                f"{name}: {part}: its images differ in size; save them in folders and use "
                "data: {images: FOLDER, size: N}"
            )
        images, labels = np.stack([i for i, _ in pairs]), np.array([label for _, label in pairs])
    return checked_part(name, part, np.asarray(images), np.asarray(labels))
