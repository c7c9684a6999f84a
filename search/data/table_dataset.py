"""Tables in train, validation and test parts, as features in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from paretune.search.data.raw_data import RawData, RawPart
from paretune.search.data.split import Split, complete_parts
from paretune.search.data.table_columns import Column, TableEncoding
from paretune.search.data.table_params import TableParams
from paretune.search.data.tensor_dataset import TensorDataset
from paretune.task import Task

if TYPE_CHECKING:
    from paretune.search.data.load_context import LoadContext


@dataclass(frozen=True)
class RawTable:
    """A table before its categories become features.

    Attributes:
        raw: Parts with numbers and codes float64 [N, columns]; NaN where a value is missing.
        columns: The columns of inputs.
        params: Options of the data set.
    """

    raw: RawData
    columns: Sequence[Column]
    params: TableParams

    def dataset(self, loading: LoadContext) -> TableDataset:
        """Returns the data set.

        Raises:
            UserError: There are too few examples to split, or a column holds nothing.
        """
        return make_table_dataset(self, loading)


def make_table_dataset(table: RawTable, loading: LoadContext) -> TableDataset:
    """Splits off missing parts, then encodes all by the remaining training part.

    Args:
        table: The table.
        loading: Seed of the split, and the task.

    Raises:
        UserError: There are too few examples to split, or a column holds nothing.
    """
    split = complete_parts(table.raw, table.params, loading.seed, loading.seen)
    train = split.parts["train"].inputs
    assert train is not None
    encoding = TableEncoding(table.columns, train, table.params.encode)
    parts = {name: _encoded(part, encoding) for name, part in split.parts.items()}
    notes = (*split.notes, *_unknown_notes(split, encoding))
    return TableDataset(
        table.raw,
        replace(split, parts=parts, notes=notes),
        loading.task(table.raw.facts),
        encoding,
        table.params.standardize,
    )


class TableDataset(TensorDataset):
    """Features of a table's rows, in three parts.

    Args:
        raw: Data as its source gives it.
        split: Its three parts, encoded.
        task: What the outputs of a network mean.
        encoding: How rows became features.
        standardize: Whether numbers are brought to mean 0 and standard deviation 1.
    """

    def __init__(
        self,
        raw: RawData,
        split: Split,
        task: Task,
        encoding: TableEncoding,
        standardize: bool,
    ) -> None:
        features = split.parts["train"].inputs
        assert features is not None
        self._encoding = encoding
        measured = encoding.moments(features, standardize)
        normalize = "feature" if standardize else "none"
        super().__init__(raw, split, task, normalize, measured=measured)  # type: ignore[arg-type]

    def preprocessing(self) -> dict[str, Any]:
        """Returns how a row becomes the model's input, as JSON for an export's manifest."""
        return {
            **super().preprocessing(),
            "features": self._encoding.names,
            "columns": self._encoding.to_json(),
        }


def _encoded(part: RawPart, encoding: TableEncoding) -> RawPart:
    assert part.inputs is not None
    return replace(part, inputs=encoding.features(part.inputs))


def _unknown_notes(split: Split, encoding: TableEncoding) -> tuple[str, ...]:
    """Returns a sentence for each part with categories that the training part lacks."""
    notes = []
    for name in ("validation", "test"):
        inputs = split.parts[name].inputs
        count = 0 if inputs is None else encoding.unknown(inputs)
        if count:
            cells = "1 cell" if count == 1 else f"{count} cells"
            verb = "holds" if count == 1 else "hold"
            notes.append(
                f"{cells} of the {name} part {verb} a category that the training part lacks."
            )
    return tuple(notes)
