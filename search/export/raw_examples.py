"""Examples as a user has them, to measure an exported model on: 8-bit images, or texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paretune.search.errors import UserError

if TYPE_CHECKING:
    from paretune.search.data.dataset import Dataset

AT_HAND = ("digits", "torchvision")
"""Data sets that another machine may have under the same name."""


@dataclass(frozen=True)
class Examples:
    """Labelled examples in parts, not yet what the model takes; `EvaluationData` for objectives.

    Attributes:
        parts: Part -> (uint8 images [N, C, H, W] or texts, labels int64 [N]).
        shape: Of one input of the model.
        classes: Their number.
        same: Whether they are the very examples of the study.
    """

    parts: Mapping[str, tuple[Any, np.ndarray]]
    shape: Any
    classes: int
    same: bool = False

    def size(self, part: str) -> int:
        """Number of examples in a part; 0 where there is no such part."""
        return len(self.parts[part][1]) if part in self.parts else 0

    def arrays(self, part: str, batch_size: int) -> Iterator[tuple[Any, np.ndarray]]:
        """One pass in order as (images or texts, labels int64 [B])."""
        examples, labels = self.parts[part]
        for start in range(0, len(labels), batch_size):
            rows = slice(start, start + batch_size)
            yield examples[rows], labels[rows]


class StudyExamples:
    """The study's own data, not yet what the model takes; `EvaluationData` for objectives.

    Args:
        data: Of the study.
    """

    same = True

    def __init__(self, data: Dataset) -> None:
        self._data = data
        self.shape: Any = data.shape
        self.classes = data.classes

    def size(self, part: str) -> int:
        """Number of examples in a part."""
        return self._data.size(part)

    def arrays(self, part: str, batch_size: int) -> Iterator[tuple[Any, np.ndarray]]:
        """One pass in order as (images or texts, labels int64 [B])."""
        return self._data.examples(part, batch_size)


def at_hand(manifest: Mapping[str, Any]) -> StudyExamples | None:
    """The study's data where they are embedded, or lie here as torchvision leaves them.

    Nothing is downloaded, no path of the manifest's is read but `root` below the current folder,
    and no code of a user's is run.
    """
    from paretune.search.data import load_data

    said = manifest["data"]
    if said["name"] not in AT_HAND:
        return None
    params = dict(said["params"])
    if "root" in params:
        if Path(params["root"]).is_absolute() or ".." in Path(params["root"]).parts:
            return None
        params["download"] = False
    try:
        data = load_data(said["name"], params, Path.cwd(), said["seed"])
    except (UserError, ValueError):
        return None
    return StudyExamples(data) if data.fingerprint == said["fingerprint"] else None


def given(manifest: Mapping[str, Any], data: Path) -> Examples:
    """A user's labelled examples, as the test part.

    Args:
        manifest: Of the export.
        data: For images an .npz with x_test and y_test, or a folder with a folder for each class
            (or such a one below test/); for texts a .csv or .tsv with the columns that the study's
            data had.

    Raises:
        UserError: It cannot be read, or does not fit the model.
    """
    how = manifest["preprocessing"]
    shape, names = tuple(how["shape"]), [str(name) for name in how["class_names"]]
    if not data.exists():
        raise UserError(f"--data {data}: there is no such file or folder")
    if "tokenizer" in how:
        examples: tuple[Any, np.ndarray] = _texts(how["columns"], names, data)
    elif data.is_dir():
        examples = _folder(shape, names, data)
    else:
        examples = _archive(data)
    found, labels = examples
    if "tokenizer" not in how and found.shape[1:] != shape:
        raise UserError(
            f"--data {data}: images of shape {list(found.shape[1:])}; the model takes {list(shape)}"
        )
    if labels.max() >= len(names):
        raise UserError(f"--data {data}: label {labels.max()}; the model has {len(names)} classes")
    return Examples({"test": examples}, shape, len(names))


def _archive(data: Path) -> tuple[np.ndarray, np.ndarray]:
    from paretune.search.data.npz import DAMAGED
    from paretune.search.data.raw_data import checked_part

    try:
        with data.open("rb") as stream:  # np.load leaves it open where the archive is damaged
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise UserError(f"--data {data} holds one array; give an .npz archive")
            if "x_test" not in archive or "y_test" not in archive:
                raise UserError(f"--data {data}: x_test and y_test are missing")
            images, labels = archive["x_test"], archive["y_test"]
    except DAMAGED as error:
        raise UserError(f"--data {data} cannot be read as an .npz archive: {error}") from error
    part = checked_part(f"--data {data.name}", "test", images, labels)
    assert part.images is not None
    return part.images, part.labels


class _Decoded:
    """Image files as uint8 arrays [N, 3, H, W], read when they are asked for."""

    def __init__(self, files: Sequence[Path], size: tuple[int, int]) -> None:
        self._files, self._size = files, size
        self.shape = (len(files), 3, *size)

    def __getitem__(self, rows: slice) -> np.ndarray:
        from paretune.search.data.image_stream import decode_image

        return np.stack([decode_image(file, self._size) for file in self._files[rows]])


def _folder(shape: Sequence[int], names: list[str], data: Path) -> tuple[_Decoded, np.ndarray]:
    from paretune.search.data.class_folders import files_by_class
    from paretune.search.data.images import ENDINGS

    root = data / "test" if (data / "test").is_dir() else data
    labels, files = files_by_class(root, names, ENDINGS, "images")
    return _Decoded(files, (shape[1], shape[2])), labels


def _texts(columns: Sequence[str], names: list[str], data: Path) -> tuple[list[str], np.ndarray]:
    from paretune.search.data.csv_table import read_rows

    texts, said = read_rows(data, *columns)
    numbers = {name: number for number, name in enumerate(names)}
    strange = sorted(set(said) - set(numbers))
    if strange:
        raise UserError(f"--data {data}: the model knows no class {', '.join(strange[:5])}")
    return texts, np.array([numbers[name] for name in said], dtype=np.int64)
