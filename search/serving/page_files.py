"""The files of the page. A request names one of a fixed table; no path comes from a request."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PAGE = Path(__file__).parent / "page"
"""Folder of the page's files."""

KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""Ending -> content type; files with other endings are not served."""

PLOTLY = "plotly.min.js"
"""Name of the plotting library, which comes from its Python package."""


@dataclass(frozen=True)
class PageFile:
    """A file of the page.

    Attributes:
        kind: Content type.
        packed: Compressed content.
        tag: Digest of the content, as an ETag.
    """

    kind: str
    packed: bytes
    tag: str

    @staticmethod
    def of(content: bytes, suffix: str) -> PageFile:
        """Returns a file with this content."""
        tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        return PageFile(KINDS[suffix], gzip.compress(content, 6), tag)


def page_names() -> frozenset[str]:
    """Returns the names of the files that can be asked for."""
    files = (file for file in PAGE.iterdir() if file.is_file() and not file.is_symlink())
    return frozenset(f.name for f in files if f.suffix in KINDS) | {PLOTLY}


@cache
def page_file(name: str) -> PageFile:
    """Returns a file of `page_names`, which is read once."""
    if name == PLOTLY:
        from plotly.offline import get_plotlyjs

        return PageFile.of(get_plotlyjs().encode(), ".js")
    file = PAGE / name
    return PageFile.of(file.read_bytes(), file.suffix)


def page_bytes(name: str) -> bytes:
    """Returns the content of a file, not compressed."""
    return (PAGE / name).read_bytes()
