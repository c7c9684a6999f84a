"""Digests of the user's code: they change with the code, and with nothing else."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

from paretune.search.user_code.live import MODULE, live_digest

BUILT_IN = "paretune"

INSTALLED = ("site-packages", "dist-packages")
"""Folders of installed packages; of their modules, only those of the same package count."""


def code_digest(path: str) -> str | None:
    """Returns a digest of the code behind a dotted path; None if there is no source file.

    It covers the module and the modules that it imports from the same package or, in a folder of
    the user's, from this folder. Comments and blank lines do not count. Nothing but the packages
    around the module is imported.
    """
    module = path.partition(":")[0]
    if module == MODULE:
        return live_digest(path)
    if module.partition(".")[0] == BUILT_IN:
        return None  # techniques of Paretune have versions
    try:
        spec = importlib.util.find_spec(module)
    except Exception:  # a user's package can raise anything; the build reports it
        return None
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    file = Path(spec.origin)
    root = file.parents[module.count(".") + (file.name == "__init__.py")]
    top = module.partition(".")[0] if root.name in INSTALLED else None
    files = module_files(file, root, top)
    parts = [f"{each.relative_to(root).as_posix()}\0{_code(each)}" for each in files]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def module_files(file: Path, root: Path, top: str | None = None) -> list[Path]:
    """Returns the file of a module, and of those that it imports, also indirectly; sorted.

    Args:
        file: The module's file.
        root: Only modules below this folder count.
        top: Only modules of this package count; None for all below the root.
    """
    return sorted(_imported(file, root, top, set()))


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
    return without_comments(file.read_text(encoding="utf-8", errors="replace"))


def without_comments(text: str) -> str:
    """Returns code without comments, blank lines and spaces at the ends of lines."""
    lines = text.splitlines()
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                row, column = token.start
                lines[row - 1] = lines[row - 1][:column]
    except (tokenize.TokenError, SyntaxError, IndexError):
        return text
    return "\n".join(line.rstrip() for line in lines if line.strip())
