"""Reads texts and labels from a .csv or .tsv file."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from paretune.search.errors import UserError
from paretune.spaces.table import did_you_mean

ENDINGS = (".csv", ".tsv")

LONGEST = 2**31 - 1
"""Characters of the longest cell; more does not fit into C's long on Windows."""

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
    with _opened(file) as rows:
        return _read_rows(rows, file, text, label)


def read_columns(
    file: Path, required: Sequence[str] = (), optional: Sequence[str] | None = None
) -> tuple[dict[str, list[str]], list[int]]:
    """Reads columns of a UTF-8 table with a header.

    Args:
        file: Table; cells are separated by commas (.csv) or tabs (.tsv).
        required: Names of columns that must be there.
        optional: Names of columns that may be there; None for all others.

    Returns:
        Name of a column -> its cells, and the line of each row.

    Raises:
        UserError: The file is empty, not UTF-8 or damaged, or lacks a column or a cell.
    """
    with _opened(file) as rows:
        cells = iter(rows)
        header = [name.strip() for name in next(cells)]
        indices = {name: _column(header, name, name, file, "") for name in required}
        for name in header if optional is None else optional:
            if name in header and name not in indices:
                indices[name] = _column(header, name, name, file, "")
        columns: dict[str, list[str]] = {name: [] for name in indices}
        lines: list[int] = []
        for row in cells:
            _check_length(row, header, file, rows.line)
            lines.append(rows.line)
            for name, index in indices.items():
                columns[name].append(row[index])
    if not lines:
        raise UserError(f"data: {file} has a header and no rows")
    return columns, lines


@contextmanager
def _opened(file: Path) -> Iterator[_Rows]:
    """Opens a table.

    Raises:
        UserError: The file is empty, not UTF-8 or no table.
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
    if "\0" in content:
        line = content[: content.index("\0")].count("\n") + 1
        raise UserError(
            f"data: {file}:{line}: there is a NUL byte, so this is no table in UTF-8; save it again"
        )
    # Texts may be longer than csv's limit, which holds for the whole process.
    limit = csv.field_size_limit(LONGEST)
    try:
        yield _Rows(content, file)
    finally:
        csv.field_size_limit(limit)


class _Rows:
    """The rows of a table that are not blank; a header with semicolons only separates by them.

    Args:
        content: Content of the table.
        file: The table; its ending tells what separates cells.

    Attributes:
        line: Number of the line on which the last row begins.
    """

    def __init__(self, content: str, file: Path) -> None:
        dialect = "excel-tab" if file.suffix.lower() == ".tsv" else "excel"
        header = content.lstrip().partition("\n")[0]
        spaced = re.search(r"[,;\t] +[\w\"]", header) is not None
        semicolons = ";" in header and "," not in header and "\t" not in header
        self._reader = csv.reader(
            io.StringIO(content, newline=""),
            dialect=dialect,
            delimiter=";" if semicolons else csv.get_dialect(dialect).delimiter,
            strict=True,
            skipinitialspace=spaced,  # "text, label": cells follow a space, too
        )
        self._file = file
        self.line = 0

    def __iter__(self) -> Iterator[list[str]]:
        while True:
            self.line = self._reader.line_num + 1
            try:
                row = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise UserError(
                    f"data: {self._file}:{self.line}: cannot be read as a table: {error}"
                ) from error
            if row:
                yield row


def _read_rows(rows: _Rows, file: Path, text: str, label: str) -> TextsAndLabels:
    cells = iter(rows)
    header = [name.strip() for name in next(cells)]
    text_column = _column(header, "text", text, file)
    label_column = _column(header, "label", label, file)
    texts: list[str] = []
    labels: list[str] = []
    for row in cells:
        _check_length(row, header, file, rows.line)
        if not row[label_column].strip():
            raise UserError(f"data: {file}:{rows.line}: this row lacks its label")
        texts.append(row[text_column])
        labels.append(class_name(row[label_column]))
    if not texts:
        raise UserError(f"data: {file} has a header and no rows")
    return texts, labels


def _check_length(row: list[str], header: list[str], file: Path, line: int) -> None:
    """Refuses a row with another number of cells than the header.

    Raises:
        UserError: It has.
    """
    if len(row) != len(header):
        raise UserError(
            f"data: {file}:{line}: this row has {len(row)} "
            f"{'cell' if len(row) == 1 else 'cells'} and the header {len(header)}; put texts "
            "with commas, quotes or new lines between quotes"
        )


def class_name(label: str) -> str:
    """Returns the name of a label's class: in Unicode's composed form, without spaces around it."""
    return unicodedata.normalize("NFC", label).strip()


def _column(
    header: list[str], option: str, name: str, file: Path, advice: str = "; name yours with {}: ..."
) -> int:
    """Returns the index of a column.

    Raises:
        UserError: There is no such column, or more than one.
    """
    count = header.count(name)
    if count > 1:
        raise UserError(f'data: {file} has {count} columns "{name}"; give each its own name')
    if not count:
        hint = did_you_mean(name, header) or "."
        raise UserError(
            f'data: {file} has no column "{name}"{hint} Its columns are {", ".join(header)}'
            + advice.format(option)
        )
    return header.index(name)
