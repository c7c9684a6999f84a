"""Data sets by name, and how one is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spaces.table import Table

if TYPE_CHECKING:
    from search.data.labelled import Labelled

DATASETS = Table(
    "data set",
    {
        "digits": "search.data.digits:Digits",
        "torchvision": "search.data.torchvision:Torchvision",
        "npz": "search.data.npz:Npz",
        "images": "search.data.images:Images",
        "python": "search.data.python:Python",
        "text": "search.data.text:Text",
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
        from search.data.texts import make_texts

        return make_texts(raw, options, base, seed)
    from search.data.dataset import make_dataset

    return make_dataset(raw, options, seed)
