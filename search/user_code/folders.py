"""Folders that the user's modules and files are found in."""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType

_last = [Path()]
"""Folder of the study file that was read last, by any thread."""

_current: ContextVar[Path | None] = ContextVar("study_folder", default=None)
"""Folder of the study file that this thread has read last."""

_added: list[str] = []
"""Entries of sys.path that are added here."""

_lock = threading.RLock()
_at_work: list[Path] = []
"""Folders of the studies that threads of this process work on."""

_others: dict[str, dict[str, ModuleType]] = {}
"""Folder of a study -> modules of it that another study has modules of the same names for."""


def add_import_folders(folder: Path) -> None:
    """Lets modules be imported from the study's folder and the current one, after all others.

    Modules of another study's folder make way if this folder has some of the same names: each study
    gets its own.

    Args:
        folder: Folder of the study file.
    """
    folder = folder.absolute()
    if folder != _last[0] and _others:
        _swap_modules(folder)
    _others.setdefault(str(folder), {})
    _last[0] = folder
    _current.set(folder)
    entries = [str(folder), *(entry for entry in (os.getcwd(), *_added) if entry != str(folder))]
    for entry in _added:
        while entry in sys.path:
            sys.path.remove(entry)
    _added[:] = [entry for entry in dict.fromkeys(entries) if entry not in sys.path]
    sys.path.extend(_added)


class FolderConflict(ValueError):
    """A study of another folder is at work, with a module that both folders have."""


@contextmanager
def study_at_work(folder: Path) -> Iterator[None]:
    """Finds modules in the folder of a study until the end of the block.

    Args:
        folder: Folder of the study file.

    Raises:
        FolderConflict: Another thread works on a study whose folder has a module of the same name.
    """
    folder = folder.absolute()
    with _lock:
        for other in _at_work:
            if other != folder and (name := _shared_module(other, folder)):
                raise FolderConflict(
                    f"a study of {other} is at work in this process, and has its own module "
                    f"{name}; wait for its end, or use another process"
                )
        _at_work.append(folder)
        add_import_folders(folder)
    try:
        yield
    finally:
        with _lock:
            _at_work.remove(folder)


def study_folder() -> Path:
    """Returns the folder of the study file; before one is read, the current folder."""
    return (_current.get() or _last[0]).absolute()


def find_file(name: str) -> Path | None:
    """Returns a file or folder of the user's; None if there is none.

    Args:
        name: A path; a relative one starts at the study's folder, or else at the current folder.
    """
    paths = (folder / name for folder in (study_folder(), Path.cwd()))
    return next((path.resolve() for path in paths if path.exists()), None)


def file_digest(path: Path) -> str:
    """Returns a digest of a file, or of all files in a folder and their names."""
    files = sorted(f for f in path.rglob("*") if f.is_file()) if path.is_dir() else [path]
    total = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        total.update(f"{file.relative_to(path).as_posix()}\0{digest}\0".encode())
    return total.hexdigest()


def _swap_modules(folder: Path) -> None:
    """Puts modules of other studies away that hide those of a folder, and brings its own back."""
    for name, module in list(sys.modules.items()):
        root = _study_root(name, module)
        if root is not None and root != str(folder) and _has_module(folder, name.partition(".")[0]):
            _others[root][name] = sys.modules.pop(name)
    modules = _others.get(str(folder), {})
    sys.modules.update(
        {name: modules.pop(name) for name in list(modules) if name not in sys.modules}
    )
    importlib.invalidate_caches()


def _shared_module(first: Path, second: Path) -> str | None:
    """Returns a loaded module of the first folder that the second folder has, too."""
    for name, module in list(sys.modules.items()):
        top = name.partition(".")[0]
        if _study_root(name, module) == str(first) and _has_module(second, top):
            return top
    return None


def _study_root(name: str, module: ModuleType) -> str | None:
    """Returns the study's folder that a module is imported from; None for any other module."""
    file = getattr(module, "__file__", None)
    if not isinstance(file, str):
        return None
    depth = name.count(".") + file.endswith(f"{os.sep}__init__.py")
    root = file.rsplit(os.sep, depth + 1)[0] or os.sep
    return root if root in _others else None


def _has_module(folder: Path, name: str) -> bool:
    return (folder / f"{name}.py").is_file() or (folder / name).is_dir()
