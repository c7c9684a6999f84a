"""The classification data sets of torchvision, by name."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from paretune.search.data.params import ImageDataParams
from paretune.search.data.raw_data import RawData, RawPart, checked_part, classes_of
from paretune.search.errors import UserError
from paretune.spaces.table import did_you_mean


class TorchvisionData:
    """A torchvision data set by name (CIFAR10, MNIST, ...), downloaded when it is not there."""

    primary = "name"

    class Params(ImageDataParams):
        """Options of torchvision."""

        name: str = Field(description="of the class in torchvision.datasets: CIFAR10, MNIST, ...")
        root: str = Field("data", description="folder of the files, relative to the study file")
        download: bool = Field(True, description="fetch the files when they are not there")

    @staticmethod
    def load(params: Params, base: Path) -> RawData:
        """Train and test parts (and a validation part where the data set has one).

        Raises:
            UserError: There is no such data set, or its files cannot be had.
        """
        from torchvision import datasets

        known = [n for n in datasets.__all__ if inspect.isclass(getattr(datasets, n, None))]
        if params.name not in known:
            hint = did_you_mean(params.name, known) or "."
            raise UserError(f'data: torchvision has no data set "{params.name}"{hint}')
        kind = getattr(datasets, params.name)
        taken = inspect.signature(kind.__init__).parameters
        root = (base / params.root).resolve()
        opened: dict[str, Any] = {}
        if "train" in taken:
            for part, flag in (("train", True), ("test", False)):
                opened[part] = _opened(kind, root, params, {"train": flag})
        elif "split" in taken:
            for part, split in (("train", "train"), ("validation", "val"), ("test", "test")):
                found = _opened(kind, root, params, {"split": split}, optional=part != "train")
                if found is not None:
                    opened[part] = found
        else:
            raise UserError(f"data: torchvision {params.name} has no training and test part")
        name = f"data: {params.name}"
        parts = {part: _arrays(name, part, source) for part, source in opened.items()}
        names = tuple(str(c) for c in getattr(opened["train"], "classes", ()))
        return RawData(params.name, parts, classes_of(name, parts), names)


def _opened(
    kind: Any,
    root: Path,
    params: TorchvisionData.Params,
    which: dict[str, Any],
    optional: bool = False,
) -> Any:
    taken = inspect.signature(kind.__init__).parameters
    arguments = {**which, **({"download": params.download} if "download" in taken else {})}
    try:
        return kind(str(root), **arguments)
    except Exception as error:
        if optional and isinstance(error, ValueError):
            return None  # a data set without this split says so by a ValueError
        raise UserError(
            f"data: torchvision {params.name} in {root}: {error}. Put its files there, let it "
            "download (download: true), or use other data: --set data={npz: FILE}"
        ) from error


def _arrays(name: str, part: str, source: Any) -> RawPart:
    """A torchvision data set as arrays; its images are decoded when it does not hold them."""
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
