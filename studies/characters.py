"""Texts as characters, for language.yaml: the pages of these docs, or the files of a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

DOCS = Path(__file__).parents[1] / "docs"

LENGTH = 96  # characters of an example


def pages(folder: str | None = None, pattern: str = "*.md") -> dict[str, np.ndarray]:
    """Returns examples [N, 96] of each part: one for each printable ASCII character, 0 is padding.

    Every tenth piece of 960 characters is for validation, the next one for the test.

    Args:
        folder: Folder with UTF-8 texts; the docs of Paretune if not given.
        pattern: Which of its files to read.
    """
    files = sorted(Path(folder or DOCS).glob(pattern))
    if not files:
        raise FileNotFoundError(f"{folder or DOCS} holds no files like {pattern}")
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    codes = np.frombuffer(text.encode("ascii", "replace"), dtype=np.uint8)
    tokens = np.where((codes >= 32) & (codes < 127), codes - 30, 1)  # 1 is the end of a line
    pieces = tokens[: len(tokens) // (10 * LENGTH) * 10 * LENGTH].reshape(-1, 10, LENGTH)
    number = np.arange(len(pieces)) % 10
    parts = {"train": number < 8, "val": number == 8, "test": number == 9}
    arrays: dict[str, np.ndarray] = {}
    for part, chosen in parts.items():
        arrays[f"x_{part}"] = pieces[chosen].reshape(-1, LENGTH).astype(np.int64)
    return arrays
