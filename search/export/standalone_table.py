"""Makes features of the rows of a table for an exported model, with NumPy alone.

`task_script` copies the part below the marker into load.py, with the columns of one model. So that
part imports nothing of Paretune. It repeats search/data/table_columns.py; a test compares both.
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np

COLUMNS: list[Any] = [{"name": "age", "kind": "number", "missing": 0.0}]
MEAN: Any = None
STD: Any = None

# -- copied from here ------------------------------------------------------------------------------

MISSING = {"", "na", "n/a", "nan", "null", "none", "?", "-"}


def prepare(rows: Any) -> Any:
    """Returns the model's inputs float32 [B, features].

    Takes rows as dicts, column -> text or number, in any order; or an array of features [B, F].
    """
    if isinstance(rows, dict):
        rows = [rows]
    if len(rows) and isinstance(rows[0], dict):
        blocks = [block_of(column, [cell(row, column) for row in rows]) for column in COLUMNS]
        rows = np.concatenate(blocks, 1)
    values = np.asarray(rows, dtype=np.float32)
    if MEAN is None:
        return values
    return (values - np.array(MEAN, dtype=np.float32)) / np.array(STD, dtype=np.float32)


def cell(row: Any, column: Any) -> str:
    """Returns a cell as text; raises ValueError if the row lacks the column."""
    name = column["name"]
    if name not in row:
        names = ", ".join(each["name"] for each in COLUMNS)
        raise ValueError(f"a row lacks the column {name}; give {names}")
    return "" if row[name] is None else str(row[name]).strip()


def block_of(column: Any, cells: Any) -> Any:
    """Returns the features of a column [B, n]; a missing number becomes the training mean."""
    if column["kind"] == "number":
        return np.array([[number_of(column, text)] for text in cells], dtype=np.float64)
    codes_of = {text: number for number, text in enumerate(column["categories"])}
    codes = np.array([codes_of.get(text, -1) for text in cells])
    if column["encode"] == "integer":
        return (codes + 1).astype(np.float64)[:, None]
    return (codes[:, None] == np.arange(len(codes_of))[None, :]).astype(np.float64)


def number_of(column: Any, text: str) -> float:
    """Returns a cell of a column of numbers."""
    if text.lower() in MISSING:
        return float(column["missing"])
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise ValueError(f'column {column["name"]}: "{text}" is no finite number')
    return value


def read(files: Any) -> Any:
    """Returns the rows of .csv or .tsv files as dicts; other columns are left out later."""
    rows: list[Any] = []
    for file in files:
        lines = Path(file).read_text(encoding="utf-8-sig").splitlines(keepends=True)
        marks = {",": lines[0].count(","), ";": lines[0].count(";")}
        mark = "\t" if str(file).lower().endswith(".tsv") else max(marks, key=lambda m: marks[m])
        table = csv.reader(lines, delimiter=mark)
        names = [name.strip() for name in next(table)]
        rows += [dict(zip(names, cells, strict=False)) for cells in table if cells]
    return rows
