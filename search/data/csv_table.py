"""Texts and labels from a .csv or .tsv file."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

from paretune.search.errors import UserError
from paretune.spaces.table import did_you_mean

ENDINGS = (".csv", ".tsv")

Rows = tuple[list[str], list[str]]
"""Texts and labels, of the same length."""


def read_rows(file: Path, text: str, label: str) -> Rows:
    """The two columns of a table with a header, in UTF-8.

    Args:
        file: Its ending says what separates the cells: a comma, or a tab.
        text: Name of the column of texts.
        label: Name of the column of labels.

    Raises:
        UserError: The file is empty, not UTF-8 or damaged, lacks a column or a cell.
    """
    if file.suffix.lower() not in ENDINGS:
        raise UserError(f"data: {file}: give a .csv or .tsv file, or a folder")
    try:
        content = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"data: {file} is not UTF-8 at byte {error.start}; save it so") from error
    if not content.strip():
        raise UserError(f"data: {file} is empty; give a header and a row for each text")
    dialect = "excel-tab" if file.suffix.lower() == ".tsv" else "excel"
    limit = csv.field_size_limit(sys.maxsize)  # a text may be long; the limit is the process's
    try:
        return _rows(
            csv.DictReader(io.StringIO(content), dialect=dialect, strict=True), file, text, label
        )
    except csv.Error as error:
        raise UserError(f"data: {file} cannot be read as a table: {error}") from error
    finally:
        csv.field_size_limit(limit)


def _rows(reader: csv.DictReader[str], file: Path, text: str, label: str) -> Rows:
    columns = list(reader.fieldnames or ())
    for what, name in (("text", text), ("label", label)):
        if name not in columns:
            hint = did_you_mean(name, columns) or "."
            raise UserError(
                f'data: {file} has no column "{name}"{hint} Its columns are '
                f"{', '.join(columns)}; name yours with {what}: ..."
            )
    texts: list[str] = []
    labels: list[str] = []
    for row in reader:
        if row[text] is None or not (row[label] or "").strip():
            raise UserError(f"data: {file}:{reader.line_num}: this row lacks its text or its label")
        texts.append(row[text])
        labels.append(row[label].strip())
    if not texts:
        raise UserError(f"data: {file} has a header and no rows")
    return texts, labels
