"""Labelled examples as a user has them, 8-bit images or texts, to measure an exported model on."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paretune.search.data.image_preparation import Preparation
from paretune.search.errors import UserError
from paretune.search.tasks import TASKS, TaskChoice, brings_data
from paretune.search.tasks.classification import classification
from paretune.task import Task

if TYPE_CHECKING:
    from paretune.search.data.dataset import Dataset
    from paretune.search.data.image_stream import ImageRows

PORTABLE = ("digits", "torchvision")
"""Data sets that another machine may have under the same name."""


@dataclass(frozen=True)
class UserExamples:
    """Examples of the user with their targets; `EvaluationData` for objectives.

    Attributes:
        parts: Part -> (uint8 images [N, C, H, W] or texts, labels int64 [N]). For a manifest with a
            task: (inputs of the model, targets).
        shape: Shape of one model input.
        task: What the outputs mean.
        same: Whether they are the examples of the study.
    """

    parts: Mapping[str, tuple[Any, np.ndarray]]
    shape: Any
    task: Task
    same: bool = False

    def size(self, part: str) -> int:
        """Returns the number of examples in a part; 0 if there is no such part."""
        return len(self.parts[part][1]) if part in self.parts else 0

    def arrays(self, part: str, batch_size: int) -> Iterator[tuple[Any, np.ndarray]]:
        """Yields one ordered pass as (images or texts, labels int64 [B])."""
        examples, labels = self.parts[part]
        for start in range(0, len(labels), batch_size):
            rows = slice(start, start + batch_size)
            yield examples[rows], labels[rows]


class StudyExamples:
    """Examples of the study with their targets; `EvaluationData` for objectives.

    Args:
        data: Data of the study.
        prepared: Whether they are the model's inputs, rather than examples before preprocessing.
    """

    same = True

    def __init__(self, data: Dataset, prepared: bool = False) -> None:
        self._data = data
        self._prepared = prepared
        self.shape: Any = data.shape
        self.task = data.task
        self.fingerprint = data.fingerprint

    def size(self, part: str) -> int:
        """Returns the number of examples in a part."""
        return self._data.size(part)

    def arrays(self, part: str, batch_size: int) -> Iterator[tuple[Any, Any]]:
        """Yields one ordered pass as (images or texts, labels), or (inputs, targets)."""
        if self._prepared:
            return self._data.arrays(part, batch_size)
        return self._data.examples(part, batch_size)


def load_study_examples(manifest: Mapping[str, Any]) -> StudyExamples | None:
    """Loads the study's data if this machine has it: embedded, or downloaded by torchvision.

    Nothing is downloaded and no code of a user is run. Of the manifest's paths only `root` is read,
    and only below the current folder.

    Returns:
        None if the data is not here, or its fingerprint differs.
    """
    from paretune.search.data import load_data

    recorded = manifest["data"]
    if recorded["name"] not in PORTABLE:
        return None
    params = dict(recorded["params"])
    if "root" in params:
        if Path(params["root"]).is_absolute() or ".." in Path(params["root"]).parts:
            return None
        params["download"] = False
    try:
        data = load_data(
            recorded["name"],
            params,
            Path.cwd(),
            recorded["seed"],
            seen=recorded.get("seen", False),
            task=_choice(manifest),
        )
    except (UserError, ValueError):
        return None
    prepared = "task" in manifest
    return StudyExamples(data, prepared) if data.fingerprint == recorded["fingerprint"] else None


def _choice(manifest: Mapping[str, Any]) -> TaskChoice | None:
    """Returns the built-in task of a manifest; None for classification.

    Raises:
        ValueError: The manifest names no built-in task with its own reader of data.
    """
    if "task" not in manifest:
        return None
    name = manifest["task"]["name"]
    if name not in TASKS.names or brings_data(TASKS.get(name)):
        raise ValueError(name)
    return TaskChoice(name, dict(manifest["task"].get("params", {})))


def load_user_examples(manifest: Mapping[str, Any], path: Path) -> UserExamples:
    """Loads the user's labelled examples as the test part.

    Args:
        manifest: Content of the export's manifest.
        path: For images, an .npz with x_test and y_test, or a folder with one subfolder per class,
            directly or below test/. For texts, a .csv or .tsv with the columns of the study's data.

    Raises:
        UserError: The examples cannot be read, or do not fit the model.
    """
    preprocessing = manifest["preprocessing"]
    shape = tuple(preprocessing["shape"])
    names = [unicodedata.normalize("NFC", str(name)) for name in preprocessing["class_names"]]
    if not path.exists():
        raise UserError(f"--data {path}: there is no such file or folder")
    if "tokenizer" in preprocessing:
        part: tuple[Any, np.ndarray] = _read_texts(preprocessing["columns"], names, path)
    elif path.is_dir():
        part = _read_folder(Preparation.from_json(preprocessing), shape, names, path)
    else:
        part = _prepared(_read_archive(path), manifest)
    examples, labels = part
    if "tokenizer" not in preprocessing and examples.shape[1:] != shape:
        raise UserError(
            f"--data {path}: images of shape {list(examples.shape[1:])}; the model takes "
            f"{list(shape)}"
        )
    if labels.max() >= len(names):
        raise UserError(f"--data {path}: label {labels.max()}; the model has {len(names)} classes")
    return UserExamples({"test": part}, shape, classification(len(names), names))


def read_arrays(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Returns x_test and y_test of an .npz archive.

    Raises:
        UserError: It cannot be read, or lacks one of them.
    """
    from paretune.search.data.npz import DAMAGED

    try:
        with file.open("rb") as stream:  # np.load does not close a damaged archive
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise UserError(f"--data {file} holds one array; give an .npz archive")
            if "x_test" not in archive or "y_test" not in archive:
                raise UserError(f"--data {file}: x_test and y_test are missing")
            return archive["x_test"], archive["y_test"]
    except DAMAGED as error:
        raise UserError(f"--data {file} cannot be read as an .npz archive: {error}") from error


def _read_archive(file: Path) -> tuple[np.ndarray, np.ndarray]:
    from paretune.search.data.raw_data import checked_part

    images, labels = read_arrays(file)
    part = checked_part(f"--data {file.name}", "test", images, labels)
    assert part.images is not None
    return part.images, part.labels


class _LazyImages:
    """Image files or arrays as uint8 [N, C, H, W], prepared when a slice is read.

    Args:
        rows: Images of the data set.
        shape: (C, H, W) of a prepared image.
    """

    def __init__(self, rows: ImageRows, shape: Sequence[int]) -> None:
        self._rows = rows
        self.shape = (len(rows), *shape)

    def __getitem__(self, rows: slice) -> np.ndarray:
        return np.stack([self._row(row) for row in range(len(self._rows))[rows]])

    def _row(self, row: int) -> np.ndarray:
        image = self._rows[row].numpy()
        if image.shape != self.shape[1:]:
            raise UserError(
                f"--data: image {row} becomes {list(image.shape)} after its resize; the model "
                f"takes {list(self.shape[1:])}"
            )
        return image


def _read_folder(
    preparation: Preparation, shape: Sequence[int], names: list[str], folder: Path
) -> tuple[_LazyImages, np.ndarray]:
    from paretune.search.data.class_folders import files_by_class, part_of
    from paretune.search.data.file_tree import subfolders
    from paretune.search.data.image_files import ENDINGS
    from paretune.search.data.image_stream import ImageFiles

    tests = [path for path in subfolders(folder) if part_of(path.name) == "test"]
    root = tests[0] if len(tests) == 1 else folder
    labels, files = files_by_class(root, names, ENDINGS, "images")
    return _LazyImages(ImageFiles(files, preparation), shape), labels


def _prepared(
    part: tuple[np.ndarray, np.ndarray], manifest: Mapping[str, Any]
) -> tuple[Any, np.ndarray]:
    """Returns arrays resized and cropped as the study did.

    A study of files has no arrays. Then arrays in the shape of the model's input are prepared
    already.
    """
    from paretune.search.data.image_stream import ImageArrays

    images, labels = part
    preprocessing = manifest["preprocessing"]
    shape = tuple(preprocessing["shape"])
    preparation = Preparation.from_json(preprocessing)
    files = manifest.get("data", {}).get("name") == "images"
    fits = len(images.shape) == 4 and images.shape[1] == shape[0]
    if not fits or "resize" not in preprocessing or (files and images.shape[1:] == shape):
        return part
    size = preparation.size(*images.shape[2:])
    return _LazyImages(ImageArrays(images, preparation), (shape[0], *size)), labels


def _read_texts(
    columns: Sequence[str], names: list[str], file: Path
) -> tuple[list[str], np.ndarray]:
    from paretune.search.data.csv_table import read_table

    texts, labels = read_table(file, *columns)
    numbers = {name: number for number, name in enumerate(names)}
    unknown = sorted(set(labels) - set(numbers))
    if unknown:
        raise UserError(f"--data {file}: the model has no class {', '.join(unknown[:5])}")
    return texts, np.array([numbers[name] for name in labels], dtype=np.int64)
