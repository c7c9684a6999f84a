"""Sources of a stage: the user's code, and the files of weights, that its parameters name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from paretune.search.files import sha256_of
from paretune.search.study.spec import digest
from paretune.search.user_code import code_digest, dotted_paths


def may_name_sources(text: str) -> bool:
    """Returns False if canonical JSON surely names no source; this takes less than `sources_of`.

    A dotted path has a colon that is not that of a key.
    """
    return text.count(":") != text.count('":') or '"transformers"' in text


def sources_of(value: Any, folder: Path) -> dict[str, Callable[[], str | None]]:
    """Returns name -> digest of the code and the folders of weights that JSON names.

    A digest is None if there is no such source file or folder. Files of checkpoints are not among
    them.

    Args:
        value: Parameters of stages, or sections of a study.
        folder: Folder of the study file.
    """
    sources: dict[str, Callable[[], str | None]] = {
        path: partial(code_digest, path) for path in dotted_paths(value)
    }
    for path in _weight_folders(value):
        sources[f"weights of {Path(path).name}"] = partial(_folder_digest, Path(path))
    return sources


def _weight_folders(value: Any) -> Iterator[str]:
    """Yields the folders of weights of Hugging Face models that JSON names."""
    if isinstance(value, Mapping):
        for key, child in value.items():
            if key == "transformers" and isinstance(child, Mapping) and child.get("checkpoint"):
                yield str(child["checkpoint"])
            else:
                yield from _weight_folders(child)
    elif isinstance(value, list | tuple):
        for child in value:
            yield from _weight_folders(child)


def _folder_digest(folder: Path) -> str | None:
    files = sorted([*folder.glob("*.safetensors"), *folder.glob("*.json")])
    return digest([[file.name, file_digest(file)] for file in files]) if files else None


def file_digest(file: Path) -> str:
    """Returns the digest of a file; an unchanged file is read once.

    Raises:
        OSError: The file cannot be read.
    """
    status = file.stat()
    return _content(file, status.st_mtime_ns, status.st_size)


@lru_cache
def _content(file: Path, changed: int, size: int) -> str:
    """Returns the digest of a file; an unchanged file is read once for the keys of all plans."""
    return sha256_of(file)
