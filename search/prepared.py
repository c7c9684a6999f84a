"""A user's labelled examples, prepared as an export's manifest says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from search.errors import UserError

Batches = Iterator[tuple[np.ndarray, np.ndarray]]
"""(inputs as the model takes them, labels int64 [B])."""

BATCH = 256


def labelled(folder: Path, manifest: Mapping[str, Any], data: Path) -> Batches:
    """Batches of a file that an exported model can be measured on.

    Args:
        folder: Of the export, where its tokenizer lies.
        manifest: Its content.
        data: An .npz with x_test and y_test (images), or a .csv or .tsv with the columns that the
            study's data had (text).

    Raises:
        UserError: A table cannot be read, or has a class that the model does not know; an archive
            lacks an array.
        OSError, ValueError: An archive cannot be read.
    """
    how = manifest["preprocessing"]
    if "tokenizer" in how:
        return _texts(folder, how, data)
    return _images(how, data)


def _images(how: Mapping[str, Any], data: Path) -> Batches:
    with np.load(data, allow_pickle=False) as arrays:
        if "x_test" not in arrays or "y_test" not in arrays:
            raise UserError(f"--data {data}: x_test and y_test are missing")
        images, labels = arrays["x_test"], arrays["y_test"].reshape(-1)
    images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    mean, std = (np.array(how[k], dtype=np.float32)[:, None, None] for k in ("mean", "std"))
    for start in range(0, len(labels), BATCH):
        rows = slice(start, start + BATCH)
        yield (images[rows].astype(np.float32) / 255 - mean) / std, labels[rows]


def _texts(folder: Path, how: Mapping[str, Any], data: Path) -> Batches:
    from tokenizers import Tokenizer

    from search.data.table import read_rows

    if not data.is_file():
        raise UserError(f"--data {data}: there is no such file")
    texts, names = read_rows(data, *how["columns"])
    numbers = {name: number for number, name in enumerate(how["class_names"])}
    strange = sorted(set(names) - set(numbers))
    if strange:
        raise UserError(f"--data {data}: the model knows no class {', '.join(strange[:5])}")
    tokenizer = Tokenizer.from_file(str(folder / how["tokenizer"]))
    labels = np.array([numbers[name] for name in names], dtype=np.int64)
    for start in range(0, len(labels), BATCH):
        rows = slice(start, start + BATCH)
        tokens = [found.ids for found in tokenizer.encode_batch(texts[rows])]
        yield np.array(tokens, dtype=np.int64), labels[rows]
