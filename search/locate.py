"""Finds the study that STUDY on the command line names: by its file or its folder."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paretune.search.database.reader import study_reader
from paretune.search.errors import UserError
from paretune.search.study_file.missing_file import SUFFIXES, missing_study
from paretune.search.study_file.storage import storage_url

if TYPE_CHECKING:
    from paretune.search.study.spec import StudySpec

MODEL_SUFFIXES = (".pt", ".pth", ".ckpt", ".safetensors", ".bin", ".onnx", ".pt2", ".tflite", ".h5")
"""Endings of files that hold a model or its weights, not a study."""


@dataclass(frozen=True)
class StudyLocation:
    """File, folder and database of a study.

    Attributes:
        file: The study file; it may be gone.
        folder: Folder of the study's trials and stages.
        url: Storage URL of its database.
    """

    file: Path
    folder: Path
    url: str

    def spec(self) -> StudySpec:
        """Returns the study with the --set options of its last run.

        Raises:
            UserError: The database has no study.
        """
        from paretune.search.study_file.loading import load_source

        with study_reader(self.url) as reader:
            source = dict(reader.study()["source"])
        return load_source(source, self.file, storage=self.url)


def locate(study: str, storage: str | None = None) -> StudyLocation:
    """Finds a study.

    Args:
        study: A study file or a study's folder.
        storage: --storage, which replaces the storage that the file names.

    Raises:
        UserError: Neither the file nor the folder exists.
    """
    path = Path(study)
    if path.suffix.lower() in MODEL_SUFFIXES:
        raise UserError(
            f"{study}: this is a file of a model or its weights, not a study. To see where a "
            "network's time goes, name the network: paretune profile --model "
            '"torchvision:mobilenet_v2" --shape 3,224,224, or --model "my_module:Net" for a class '
            "of yours; times do not depend on the weights. To search with your weights, write a "
            "study file with baseline: {architecture: ..., checkpoint: FILE}"
        )
    if path.is_dir():
        folder = path.resolve()
        candidates = [folder.with_name(folder.name + suffix) for suffix in SUFFIXES]
        file = next((f for f in candidates if f.is_file()), candidates[0])
    elif path.is_file():
        file, folder = path.resolve(), path.resolve().with_suffix("")
    else:
        raise missing_study(study, "study file, and no such folder")
    if storage is None and file.is_file():
        storage = _storage_in(file)
    return StudyLocation(file, folder, storage_url(storage or "sqlite", folder))


def _storage_in(file: Path) -> str | None:
    """Returns the storage that a study file names."""
    with suppress(OSError):
        if b"storage" not in file.read_bytes():
            return None
    # Importing YAML takes half as long as reading the front of ten thousand trials.
    from paretune.search.study_file.document import read_document

    storage = read_document(file).data.get("storage")
    return storage if isinstance(storage, str) else None
