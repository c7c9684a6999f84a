"""The files that travel to the nodes of a cluster: study file, the user's modules, weights.

Data at absolute paths, and installed packages, must be on each node already.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from paretune.search.errors import UserError
from paretune.search.study.spec import StudySpec
from paretune.search.user_code.code_digests import INSTALLED, module_files
from paretune.search.user_code.folders import find_file

DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
"""A class or function in a module: `pkg.mod:name`."""

NOT_FILES = ("study", "files", "storage", "track", "resources", "device")
"""Sections whose texts name no file that a trial reads."""

MOST_BYTES = 200_000_000
"""Largest size of the files that travel: 200 MB. Each node keeps a copy."""


def pack(spec: StudySpec, folder: Path) -> Path:
    """Copies what a node needs to a folder; returns the study file there.

    Args:
        spec: The study.
        folder: An empty folder.

    Raises:
        UserError: A relative path leads out of the study's folder, or the files are too large.
    """
    files = {spec.file.name: spec.file, **_named_files(spec), **_modules(spec)}
    total = sum(_bytes(file) for file in files.values())
    if total > MOST_BYTES:
        largest = max(files, key=lambda name: _bytes(files[name]))
        raise UserError(
            f"{spec.file.name}: {total / 1e6:.0f} MB would travel to each node, mostly {largest}; "
            f"at most {MOST_BYTES / 1e6:.0f} MB do. Copy it to each node, or to a folder that all "
            "of them share, and give its absolute path"
        )
    for name, file in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.is_dir():
            shutil.copytree(file, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(file, target)
    return folder / spec.file.name


def _named_files(spec: StudySpec) -> dict[str, Path]:
    """Returns relative path -> file or folder, for each that the study file names."""
    sections = {key: value for key, value in spec.source.items() if key not in NOT_FILES}
    files = {}
    for text in set(_texts(sections, keys=False)):
        path = Path(text)
        if path.is_absolute() or len(text) > 1024 or "\n" in text or not path.parts:
            continue
        file = find_file(text)
        if file is None or file in (spec.folder, spec.file.parent):
            continue
        if ".." in path.parts:
            raise UserError(
                f"{spec.file.name}: {text} lies outside the study's folder, so it does not travel "
                f"to the nodes; give its absolute path, where each node finds it"
            )
        files[text] = file
    return files


def _modules(spec: StudySpec) -> dict[str, Path]:
    """Returns relative path -> file, of the user's modules that the study file names or needs."""
    names = {text.partition(":")[0] for text in _texts(spec.source) if DOTTED.fullmatch(text)}
    files = {}
    for name in sorted(names):
        for file, root in _module(name):
            files[file.relative_to(root).as_posix()] = file
    return files


def _module(name: str) -> Iterator[tuple[Path, Path]]:
    """Yields (file, import folder) of a module that is not installed, and of those it imports."""
    if name.partition(".")[0] in sys.stdlib_module_names:
        return
    try:
        spec = importlib.util.find_spec(name)
    except Exception:  # a user's package can raise anything; the node reports it
        return
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return
    file = Path(spec.origin)
    root = file.parents[name.count(".") + (file.name == "__init__.py")]
    if not {*INSTALLED}.isdisjoint(root.parts):
        return
    for each in module_files(file, root):
        yield each, root


def _texts(value: Any, keys: bool = True) -> Iterator[str]:
    """Yields all texts in plain data, with or without the keys of mappings."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _texts(key) if keys else ()
            yield from _texts(each, keys)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each, keys)


def _bytes(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size
