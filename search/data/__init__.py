"""Data sets by name, and the function that loads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.spaces.table import Table

if TYPE_CHECKING:
    from paretune.search.data.dataset import Dataset

DATASETS = Table(
    "data set",
    {
        "digits": "paretune.search.data.digits:DigitsData",
        "torchvision": "paretune.search.data.torchvision:TorchvisionData",
        "npz": "paretune.search.data.npz:NpzData",
        "images": "paretune.search.data.images:ImagesData",
        "python": "paretune.search.data.python:PythonData",
        "text": "paretune.search.data.text:TextData",
    },
)


def load_data(
    name: str, params: Mapping[str, Any], base: Path, seed: int = 0, *, seen: bool = False
) -> Dataset:
    """Loads a data set with train, validation and test parts.

    Args:
        name: Key of DATASETS.
        params: Options of the data set, as JSON.
        base: Folder of the study file; relative paths start there.
        seed: Seed of the split, for parts that are split off another part.
        seen: Whether the study starts from weights that may have been trained on the training part
            (`study.seen_data.seen_weights`). Then no part of it is called test.

    Raises:
        UserError: The data is missing, damaged, or cannot be used for classification.
    """
    entry = DATASETS.get(name)
    options = entry.Params.model_validate(dict(params))
    raw = entry.load(options, base)
    if getattr(entry, "holds", "images") == "text":
        from paretune.search.data.text_dataset import make_text_dataset

        return make_text_dataset(raw, options, base, seed, seen)
    from paretune.search.data.image_dataset import make_image_dataset

    return make_image_dataset(raw, options, seed, seen)
