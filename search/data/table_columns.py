"""Columns of a table: which are numbers, which are categories, and how cells become numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from paretune.search.data.tensor_dataset import Moments, moments, rounded
from paretune.search.errors import UserError

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-"})
"""Cells without a value, in lower case and without spaces around them."""

MOST_CATEGORIES = 1000
"""Categories of a column that are turned into features of their own."""

Encode = Literal["one_hot", "integer"]


def is_missing(cell: str) -> bool:
    """Returns whether a cell has no value."""
    return cell.strip().lower() in MISSING


def as_number(cell: str) -> float | None:
    """Returns a cell as a finite number; None if it is none."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


@dataclass(frozen=True)
class Column:
    """A column of inputs.

    Attributes:
        name: Its name.
        categories: The texts that have the codes 0, 1, ...; None for a column of numbers.
    """

    name: str
    categories: tuple[str, ...] | None = None

    def codes(self, cells: Sequence[str], where: Sequence[str]) -> np.ndarray:
        """Returns numbers, or codes of categories, as float64 [N]; NaN where a value is missing.

        Args:
            cells: Cells of the column.
            where: File and line of each cell, for messages.

        Raises:
            UserError: A cell of a column of numbers is no number.
        """
        values = np.full(len(cells), np.nan)
        numbers = {text: code for code, text in enumerate(self.categories or ())}
        for row, cell in enumerate(cells):
            if is_missing(cell):
                continue
            value = as_number(cell) if self.categories is None else numbers[cell.strip()]
            if value is None:
                raise UserError(
                    f'{where[row]}: column {self.name}: "{cell}" is no number, but the training '
                    "part has numbers only; if they are categories, type categorical: "
                    f"[{self.name}]"
                )
            values[row] = value
        return values


class TableEncoding:
    """Turns rows into features, by what the training part holds.

    Args:
        columns: The columns of inputs.
        train: Numbers and codes of the training part, float64 [N, columns]; NaN where missing.
        encode: How categories become features.

    Raises:
        UserError: A column has no value, or too many categories.
    """

    def __init__(self, columns: Sequence[Column], train: np.ndarray, encode: Encode) -> None:
        self._columns, self._encode = columns, encode
        self._codes = [self._categories(i, train[:, i]) for i in range(len(columns))]
        self._fill = [0.0 if c.categories else _mean(c, train[:, i]) for i, c in enumerate(columns)]

    @property
    def names(self) -> list[str]:
        """Name of each feature: the column, or the column and its category."""
        names: list[str] = []
        for column, codes in zip(self._columns, self._codes, strict=True):
            if codes is None or self._encode == "integer":
                names.append(column.name)
            else:
                names += [f"{column.name}={self._text(column, code)}" for code in codes]
        return names

    def features(self, rows: np.ndarray) -> np.ndarray:
        """Returns features float32 [N, features], before they are standardized.

        A missing number becomes the training part's mean. A category that is missing, or that the
        training part lacks, becomes zeros, or the integer 0.
        """
        blocks = [self._block(i, rows[:, i]) for i in range(len(self._columns))]
        return np.ascontiguousarray(np.concatenate(blocks, 1).astype(np.float32))

    def unknown(self, rows: np.ndarray) -> int:
        """Returns the number of cells with categories that the training part lacks."""
        count = 0
        for i, codes in enumerate(self._codes):
            if codes is not None:
                values = rows[:, i]
                count += int((~np.isnan(values) & ~np.isin(values, codes)).sum())
        return count

    def moments(self, features: np.ndarray, standardize: bool) -> Moments:
        """Returns mean and deviation of the numbers among training features; 0 and 1 for others."""
        if not standardize:
            return None, None
        mean, std = moments(features, "feature")
        assert mean is not None and std is not None
        first = 0
        for codes in self._codes:
            width = 1 if codes is None or self._encode == "integer" else len(codes)
            if codes is not None:
                mean[first : first + width], std[first : first + width] = 0.0, 1.0
            first += width
        return rounded(mean), rounded(std)

    def to_json(self) -> list[dict[str, Any]]:
        """Returns how each column becomes features, as JSON for an export's manifest."""
        described: list[dict[str, Any]] = []
        for column, codes, fill in zip(self._columns, self._codes, self._fill, strict=True):
            if codes is None:
                described.append({"name": column.name, "kind": "number", "missing": fill})
            else:
                texts = [self._text(column, code) for code in codes]
                described.append(
                    {
                        "name": column.name,
                        "kind": "category",
                        "encode": self._encode,
                        "categories": texts,
                    }
                )
        return described

    def _categories(self, index: int, values: np.ndarray) -> np.ndarray | None:
        """Returns the codes of a column's training categories; None for numbers."""
        column = self._columns[index]
        if column.categories is None:
            return None
        codes: np.ndarray = np.unique(values[~np.isnan(values)])
        if not len(codes):
            raise UserError(
                f"data: column {column.name} has no value in the training part; type ignore: "
                f"[{column.name}]"
            )
        if self._encode == "one_hot" and len(codes) > MOST_CATEGORIES:
            raise UserError(
                f"data: column {column.name} has {len(codes)} categories; leave it out, ignore: "
                f"[{column.name}], or type encode: integer"
            )
        return codes

    def _block(self, index: int, values: np.ndarray) -> np.ndarray:
        codes = self._codes[index]
        if codes is None:
            filled: np.ndarray = np.where(np.isnan(values), self._fill[index], values)
            return filled[:, None]
        hits: np.ndarray = values[:, None] == codes[None, :]
        if self._encode == "one_hot":
            ones: np.ndarray = hits.astype(np.float64)
            return ones
        numbers: np.ndarray = np.where(hits.any(1), hits.argmax(1) + 1, 0)
        return numbers[:, None].astype(np.float64)

    @staticmethod
    def _text(column: Column, code: float) -> str:
        assert column.categories is not None
        return column.categories[int(code)]


def columns_of(
    train: Mapping[str, Sequence[str]], parts: Sequence[Mapping[str, Sequence[str]]],
    categorical: Sequence[str],
) -> list[Column]:  # fmt: skip
    """Returns the columns of a table.

    A column is one of numbers if all cells of the training file are numbers or missing.

    Args:
        train: Name -> cells, of the training file.
        parts: The same of all files.
        categorical: Columns that are categories although they hold numbers.
    """
    columns: list[Column] = []
    for name, cells in train.items():
        plain = all(is_missing(cell) or as_number(cell) is not None for cell in cells)
        if plain and name not in categorical:
            columns.append(Column(name))
            continue
        texts = {c.strip() for part in parts for c in part[name] if not is_missing(c)}
        columns.append(Column(name, tuple(sorted(texts))))
    return columns


def _mean(column: Column, values: np.ndarray) -> float:
    present = values[~np.isnan(values)]
    if not len(present):
        raise UserError(
            f"data: column {column.name} has no value in the training part; type ignore: "
            f"[{column.name}]"
        )
    return float(np.float32(present.mean()))
