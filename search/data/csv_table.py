"""Reads texts and labels from a .csv or .tsv file."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

from paretune.search.errors import UserError
from paretune.spaces.table import did_you_mean

ENDINGS = (".csv", ".tsv")

TextsAndLabels = tuple[list[str], list[str]]
"""Texts and their labels, equally many."""


def read_table(file: Path, text: str, label: str) -> TextsAndLabels:
    """Reads two columns of a UTF-8 table with a header.

    Args:
        file: Table; cells are separated by commas (.csv) or tabs (.tsv).
        text: Name of the column of texts.
        label: Name of the column of labels.

    Raises:
        UserError: The file is empty, not UTF-8 or damaged, or lacks a column or a cell.
    """
    if file.suffix.lower() not in ENDINGS:
        raise UserError(f"data: {file}: give a .csv or .tsv file, or a folder")
    try:
        content = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"data: {file} is not UTF-8 at byte {error.start}; save it as UTF-8"
        ) from error
    if not content.strip():
        raise UserError(f"data: {file} is empty; give a header and one row per text")
    dialect = "excel-tab" if file.suffix.lower() == ".tsv" else "excel"
    # Texts may be longer than csv's limit, which holds for the whole process.
    limit = csv.field_size_limit(sys.maxsize)
    try:
        return _read_rows(
            csv.DictReader(io.StringIO(content), dialect=dialect, strict=True), file, text, label
        )
    except csv.Error as error:
        raise UserError(f"data: {file} cannot be read as a table: {error}") from error
    finally:
        csv.field_size_limit(limit)


def _read_rows(reader: csv.DictReader[str], file: Path, text: str, label: str) -> TextsAndLabels:
    columns = list(reader.fieldnames or ())
    for option, name in (("text", text), ("label", label)):
        if name not in columns:
            hint = did_you_mean(name, columns) or "."
            raise UserError(
                f'data: {file} has no column "{name}"{hint} Its columns are '
                f"{', '.join(columns)}; name yours with {option}: ..."
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
