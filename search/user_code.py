"""Imports the user's own Python code by dotted paths, and tells when it changes."""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import io
import os
import re
import sys
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

DOTTED = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
"""A dotted path, "pkg.mod:name"."""

BUILT_IN = "paretune"

INSTALLED = ("site-packages", "dist-packages")
"""Folders of installed packages; of their modules, only those of the same package count."""


_FOLDERS = [Path()]
"""Folder of the study file that was read last."""


def add_import_folders(folder: Path) -> None:
    """Lets modules be imported from the study's folder and the current one, after all others.

    Args:
        folder: Folder of the study file.
    """
    _FOLDERS[0] = folder.absolute()
    for entry in (str(folder), os.getcwd()):
        if entry not in sys.path:
            sys.path.append(entry)


def study_folder() -> Path:
    """Returns the folder of the study file; before one is read, the current folder."""
    return _FOLDERS[0].absolute()


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


def resolve(path: str) -> Any:
    """Imports the object of a dotted path "pkg.mod:name.attribute".

    Raises:
        ImportError, AttributeError: The module or name does not exist.
        Exception: Any error that the user's module raises when it is imported.
    """
    module, _, attributes = path.partition(":")
    value: Any = importlib.import_module(module)
    for name in attributes.split("."):
        value = getattr(value, name)
    return value


def dotted_paths(value: Any) -> Iterator[str]:
    """Yields the dotted paths among the keys and texts of JSON, each once."""
    yield from dict.fromkeys(_dotted(value))


def code_digest(path: str) -> str | None:
    """Returns a digest of the code behind a dotted path; None if there is no source file.

    It covers the module and the modules that it imports from the same package or, in a folder of
    the user's, from this folder. Comments and blank lines do not count. Nothing but the packages
    around the module is imported.
    """
    module = path.partition(":")[0]
    if module.partition(".")[0] == BUILT_IN:
        return None  # techniques of Paretune have versions
    try:
        found = importlib.util.find_spec(module)
    except Exception:  # a user's package can raise anything; the build reports it
        return None
    if found is None or not found.origin or not found.origin.endswith(".py"):
        return None
    file = Path(found.origin)
    root = file.parents[module.count(".") + (file.name == "__init__.py")]
    top = module.partition(".")[0] if root.name in INSTALLED else None
    files = sorted(_imported(file, root, top, set()))
    parts = [f"{each.relative_to(root).as_posix()}\0{_code(each)}" for each in files]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _dotted(value: Any) -> Iterator[str]:
    match value:
        case str() if DOTTED.fullmatch(value):
            yield value
        case Mapping():
            for key, child in value.items():
                yield from _dotted(key)
                yield from _dotted(child)
        case list() | tuple():
            for child in value:
                yield from _dotted(child)


def _imported(file: Path, root: Path, top: str | None, seen: set[Path]) -> set[Path]:
    """Returns a module's file, and those that it imports below the root, also indirectly."""
    if file in seen:
        return seen
    seen.add(file)
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return seen
    package = file.relative_to(root).parent.parts
    for node in ast.walk(tree):
        for name in _names(node, package):
            if name[:1] != (BUILT_IN,) and (top is None or name[:1] == (top,)):
                for other in _files(root, name):
                    _imported(other, root, top, seen)
    return seen


def _names(node: ast.AST, package: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yields the dotted names, as parts, of the modules that a statement may import."""
    if isinstance(node, ast.Import):
        yield from (tuple(alias.name.split(".")) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = package[: len(package) + 1 - node.level] if node.level else ()
        base = (*above, *(node.module.split(".") if node.module else ()))
        yield from ((*base, alias.name) for alias in node.names)


def _files(root: Path, name: tuple[str, ...]) -> Iterator[Path]:
    """Yields the files that importing a name runs: the packages around it, and itself."""
    for length in range(1, len(name) + 1):
        path = root.joinpath(*name[:length])
        yield from (f for f in (path / "__init__.py", path.with_suffix(".py")) if f.is_file())


def _code(file: Path) -> str:
    """Returns a module's text without comments, blank lines and spaces at the ends of lines."""
    text = file.read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines()
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                row, column = token.start
                lines[row - 1] = lines[row - 1][:column]
    except (tokenize.TokenError, SyntaxError, IndexError):
        return text
    return "\n".join(line.rstrip() for line in lines if line.strip())
