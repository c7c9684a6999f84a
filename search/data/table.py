"""Tables of numbers and categories, with target columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from paretune.search.data.class_folders import paths_by_part
from paretune.search.data.csv_table import ENDINGS, class_name, read_columns
from paretune.search.data.facts_of_targets import class_facts, facts_of
from paretune.search.data.file_tree import shown, visible
from paretune.search.data.raw_data import RawData, RawPart
from paretune.search.data.table_params import TableParams
from paretune.search.data.targets import TargetsWanted, checked_targets
from paretune.search.data.text import sorted_classes
from paretune.search.errors import UserError
from paretune.spaces.table import did_you_mean

if TYPE_CHECKING:
    from paretune.search.data.table_columns import Column
    from paretune.search.data.table_dataset import RawTable

Cells = Mapping[str, list[str]]
"""Name of a column -> its cells."""

BOOLEANS = {"true": "1", "false": "0", "yes": "1", "no": "0"}
"""Words of a column with a label of 0 or 1."""


class TableData:
    """A .csv or .tsv file with columns of numbers and categories, and target columns."""

    primary = "file"
    holds = "features"
    reads: ClassVar = ("class", "labels", "values")

    Params = TableParams

    @staticmethod
    def load(params: TableParams, base: Path, wanted: TargetsWanted) -> RawTable:
        """Returns the parts of the table.

        Raises:
            UserError: A file or column is missing, or a cell is no number where one must be.
        """
        files = _files(params, base)
        tables = {part: read_columns(file) for part, file in files.items()}
        for part, (cells, _) in tables.items():
            _check_columns(files[part], cells, tables["train"][0], params)
        return _raw_table(files, tables, params, wanted)


def _files(params: TableParams, base: Path) -> dict[str, Path]:
    """Returns part -> file.

    Raises:
        UserError: There is no such file, or a part has two.
    """
    path = (base / params.file).resolve()
    if path.is_dir():
        files = paths_by_part(f for f in visible(path) if f.suffix.lower() in ENDINGS)
        if "train" not in files:
            raise UserError(f"data: {shown(path)} has no train.csv; give a file, or name it so")
    else:
        files = {"train": path}
    for part, other in (("validation", params.validation_file), ("test", params.test_file)):
        if other is not None:
            if part in files:
                raise UserError(
                    f"data: {part}_file: {shown(path)} has a {part} part already; leave one"
                )
            files[part] = (base / other).resolve()
    for file in files.values():
        if not file.is_file():
            raise UserError(f"data: {shown(file)}: there is no such file")
    return files


def _check_columns(file: Path, cells: Cells, train: Cells, params: TableParams) -> None:
    """Refuses a table without a column that is named, or with other columns than train.

    Raises:
        UserError: The text names the column.
    """
    options = {"target": params.targets, "ignore": params.ignore, "categorical": params.categorical}
    for option, names in options.items():
        for name in names:
            if name not in cells:
                hint = did_you_mean(name, list(cells)) or "."
                raise UserError(
                    f'data: {file} has no column "{name}"{hint} Its columns are '
                    f"{', '.join(cells)}; name yours with {option}: ..."
                )
    absent = [name for name in train if name not in cells and name not in params.ignore]
    if absent:
        raise UserError(f"data: {file} lacks the columns {', '.join(absent[:5])} of train")


def _raw_table(
    files: Mapping[str, Path],
    tables: Mapping[str, tuple[Cells, list[int]]],
    params: TableParams,
    wanted: TargetsWanted,
) -> RawTable:
    from paretune.search.data.table_columns import columns_of
    from paretune.search.data.table_dataset import RawTable

    left_out = {*params.targets, *params.ignore}
    inputs = {
        part: {name: each for name, each in cells.items() if name not in left_out}
        for part, (cells, _) in tables.items()
    }
    if not inputs["train"]:
        raise UserError(f"data: {files['train']} has no column beside the targets")
    columns = columns_of(inputs["train"], list(inputs.values()), params.categorical)
    where = {
        part: [f"data: {files[part]}:{line}" for line in lines]
        for part, (_, lines) in tables.items()
    }
    codes = {
        part: np.stack([c.codes(cells[c.name], where[part]) for c in columns], 1)
        for part, cells in inputs.items()
    }
    notes = _missing_notes(codes, columns, params)
    targets, names = _targets(tables, where, params, wanted)
    parts = {part: RawPart(targets[part], inputs=codes[part]) for part in tables}
    name = files["train"].name if len(files) == 1 else files["train"].parent.name
    facts = (
        class_facts(f"data: {name}", parts, names)
        if wanted.kind == "class"
        else facts_of(f"data: {name}", parts, wanted, names)
    )
    return RawTable(RawData(name, parts, facts, notes=notes, tensors=True), columns, params)


def _missing_notes(
    codes: Mapping[str, np.ndarray], columns: Sequence[Column], params: TableParams
) -> tuple[str, ...]:
    """Returns a sentence about missing numbers.

    Raises:
        UserError: There are some, and they are to be refused.
    """
    counts = sum(np.isnan(each).sum(0) for each in codes.values())
    numbers = {
        column.name: int(count)
        for column, count in zip(columns, counts, strict=True)
        if column.categories is None and count
    }
    if not numbers:
        return ()
    listed = ", ".join(f"{name} {count}" for name, count in list(numbers.items())[:5])
    if params.missing == "refuse":
        raise UserError(
            f"data: {params.file}: numbers are missing in {listed}; fill them, or type missing: "
            "mean"
        )
    return (f"Missing numbers became the training part's mean ({listed}).",)


def _targets(
    tables: Mapping[str, tuple[Cells, list[int]]],
    where: Mapping[str, list[str]],
    params: TableParams,
    wanted: TargetsWanted,
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Returns part -> targets, and the names of classes or target columns.

    Raises:
        UserError: A target is missing, or is not what the task needs.
    """
    if wanted.kind == "class":
        return _classes(tables, where, params)
    targets: dict[str, Any] = {}
    for part, (cells, _) in tables.items():
        columns = [_numbers(name, cells[name], where[part]) for name in params.targets]
        array = np.stack(columns, 1)
        targets[part] = checked_targets(
            f"data: {params.file}", part, array, len(array), wanted.kind
        )
    return targets, tuple(params.targets)


def _classes(
    tables: Mapping[str, tuple[Cells, list[int]]],
    where: Mapping[str, list[str]],
    params: TableParams,
) -> tuple[dict[str, Any], tuple[str, ...]]:
    if len(params.targets) > 1:
        raise UserError(
            f"data: target: {len(params.targets)} columns; classification takes one; for several "
            "columns of 0 and 1 type task: multilabel, for numbers task: regression"
        )
    [column] = params.targets
    labels = {part: [class_name(c) for c in cells[column]] for part, (cells, _) in tables.items()}
    for part, listed in labels.items():
        for row, label in enumerate(listed):
            if not label:
                raise UserError(f"{where[part][row]}: this row lacks its {column}")
    names = sorted_classes(labels["train"])
    numbers = {name: number for number, name in enumerate(names)}
    for part, listed in labels.items():
        for row, label in enumerate(listed):
            if label not in numbers:
                raise UserError(
                    f'{where[part][row]}: the class "{label}" is not in the training part'
                )
    many = len(names) > max(20, len(labels["train"]) // 2)
    if many and all(_is_number(name) for name in names):
        raise UserError(
            f"data: {params.file}: column {column} has {len(names)} different numbers; to predict "
            "numbers, type task: regression"
        )
    arrays = {
        part: np.array([numbers[label] for label in listed], dtype=np.int64)
        for part, listed in labels.items()
    }
    return arrays, tuple(names)


def _numbers(name: str, cells: Sequence[str], where: Sequence[str]) -> np.ndarray:
    """Returns a target column as float64 [N].

    Raises:
        UserError: A cell is no number.
    """
    values = np.empty(len(cells))
    for row, cell in enumerate(cells):
        text = BOOLEANS.get(cell.strip().lower(), cell)
        if not _is_number(text):
            raise UserError(
                f'{where[row]}: the target {name} is "{cell}"; give a finite number, or leave the '
                "row out"
            )
        values[row] = float(text)
    return values


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False
