"""Reads texts for a language model: .txt and .md files, or a column of a table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from paretune.search.data.class_folders import PART_NAMES, paths_by_part
from paretune.search.data.csv_table import ENDINGS as TABLES
from paretune.search.data.csv_table import read_columns
from paretune.search.data.file_tree import Skipped, examples_in, read_utf8, shown, visible
from paretune.search.data.raw_data import RawData, text_part
from paretune.search.errors import UserError
from paretune.search.tasks.target_facts import TargetFacts

TEXTS = (".txt", ".md")
"""Endings of files of text."""


def read_language_texts(path: Path, column: str) -> RawData:
    """Returns the texts of each part.

    Args:
        path: A file, a folder of files, or a folder with train, val and test of either kind.
        column: Column of a table with the texts.

    Raises:
        UserError: There is no such path, or it holds no text.
    """
    if not path.exists():
        raise UserError(f"data: {path}: there is no such file or folder")
    skipped = Skipped()
    parts = {}
    for part, root in _roots(path).items():
        texts = [text for text in _texts(root, column, skipped) if text.strip()]
        if not texts:
            raise UserError(
                f"data: {shown(root)} holds no text; give .txt, .md, .csv or .tsv files"
            )
        parts[part] = text_part(texts)
    note = skipped.note()
    facts = TargetFacts("next", 0)  # the tokenizer decides the number of tokens
    return RawData(path.name, parts, facts, notes=(note,) if note else ())


def _roots(path: Path) -> dict[str, Path]:
    """Returns the file or folder of each part; without a training part, the whole is it."""
    if path.is_file():
        return {"train": path}
    kinds = (*TEXTS, *TABLES)
    inside = [each for each in visible(path) if each.is_dir() or each.suffix.lower() in kinds]
    roots = paths_by_part(inside)
    if "train" not in roots:
        return {"train": path}
    return {part: roots[part] for part in PART_NAMES if part in roots}


def _texts(root: Path, column: str, skipped: Skipped) -> Iterator[str]:
    files = [root] if root.is_file() else examples_in(root, (*TEXTS, *TABLES), skipped)
    for file in files:
        if file.suffix.lower() in TABLES:
            yield from read_columns(file, (column,), ())[0][column]
        elif file.suffix.lower() in TEXTS:
            yield read_utf8(file)
        else:
            raise UserError(f"data: {shown(file)}: give a .txt, .md, .csv or .tsv file")
