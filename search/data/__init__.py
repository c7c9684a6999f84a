"""Data sets by name, and how one is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.spaces.table import Table

if TYPE_CHECKING:
    from paretune.search.data.labelled import Labelled

DATASETS = Table(
    "data set",
    {
        "digits": "paretune.search.data.digits:Digits",
        "torchvision": "paretune.search.data.torchvision:Torchvision",
        "npz": "paretune.search.data.npz:Npz",
        "images": "paretune.search.data.images:Images",
        "python": "paretune.search.data.python:Python",
        "text": "paretune.search.data.text:Text",
    },
)


def load_data(name: str, params: Mapping[str, Any], base: Path, seed: int = 0) -> Labelled:
    """A data set with train, validation and test parts.

    Args:
        name: Key of DATASETS.
        params: Its options as JSON.
        base: Folder that relative paths start from: the study file's.
        seed: Of the split, where a part has to be split off.

    Raises:
        UserError: It is not there, damaged, or cannot be used for classification.
    """
    entry = DATASETS.get(name)
    options = entry.Params.model_validate(dict(params))
    raw = entry.load(options, base)
    if getattr(entry, "holds", "images") == "text":
        from paretune.search.data.texts import make_texts

        return make_texts(raw, options, base, seed)
    from paretune.search.data.dataset import make_dataset

    return make_dataset(raw, options, seed)
