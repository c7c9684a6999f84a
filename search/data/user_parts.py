"""Parts of the user's own Datasets, DataLoaders or arrays, for a built-in task."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from paretune.inputs import image_shape
from paretune.search.data.batch_targets import BatchTargets
from paretune.search.data.class_folders import PART_NAMES, part_of
from paretune.search.data.collation import guarded
from paretune.search.data.loader_dataset import LoaderDataset
from paretune.search.data.loader_parts import LoaderParts
from paretune.search.data.loader_sources import DatasetSource, PartSource, source_of
from paretune.search.data.params import ArrayDataParams
from paretune.search.data.random_state import RandomState
from paretune.search.data.raw_data import RawData, RawPart, checked_labels
from paretune.search.data.split import Split, complete_parts
from paretune.search.errors import UserError
from paretune.search.tasks.target_facts import TargetFacts

if TYPE_CHECKING:
    from paretune.search.data.load_context import LoadContext

ARRAY_OPTIONS = ("inputs", "normalize", "resize", "crop", "interpolation", "mean", "std", "preset")
"""Options that only arrays have."""

NO_TEST = (
    "There is no test part, because the training part is a loader, which cannot be split. Give a "
    "test part of your own."
)
FROZEN = (
    "The {parts} part is split off the training part, whose Dataset changes examples at random. "
    "It keeps these changes, the same ones in each pass. Give a {parts} Dataset of your own."
)


@dataclass(frozen=True)
class UserParts:
    """What the user's function returned: a Dataset or loader for each part.

    Attributes:
        name: Name of the source, for messages.
        values: Part -> Dataset, DataLoader or iterable of batches.
        code: What decides the content, such as a digest of the user's module.
        params: Options of the data set.
    """

    name: str
    values: Mapping[str, Any]
    code: str
    params: ArrayDataParams

    def dataset(self, loading: LoadContext) -> LoaderDataset:
        """Returns the data set.

        Raises:
            UserError: The parts are not usable for the task.
        """
        self._refuse_options(loading)
        listed = loading.wanted.kind == "boxes"
        sources = {
            part: source_of(
                f"{self.name}: {part}", lambda value=value: value, listed=listed,  # type: ignore[misc]
                workers=self.params.workers,
            )
            for part, value in self.values.items()
        }  # fmt: skip
        split = _completed(self.name, sources, loading)
        names = class_names_of(self.values["train"])
        targets = BatchTargets(self.name, loading.wanted, names, self.params.vocabulary)
        parts = LoaderParts(
            self.name,
            sources,
            targets.read,
            vocabulary=self.params.vocabulary,
            listed=listed,
        )
        if targets.needs_training_classes:
            parts.read_all("train")
        facts = targets.finish()
        if facts.kind == "boxes":
            facts = replace(facts, image=image_shape(parts.shape)[1:])
        return LoaderDataset(
            self.name.removeprefix("data: "),
            parts,
            loading.task(facts),
            facts,
            code=json.dumps([self.code, loading.wanted.kind, loading.wanted.ignore]),
            seen=split.seen,
            no_test=split.no_test,
            notes=split.notes,
        )

    def _refuse_options(self, loading: LoadContext) -> None:
        """Refuses options of arrays, and tokens without their number.

        Raises:
            UserError: There is one.
        """
        defaults = type(self.params).model_fields
        for key in ARRAY_OPTIONS:
            if getattr(self.params, key) != defaults[key].default:
                raise UserError(
                    f"{self.name}: {key} is for arrays; a Dataset or DataLoader prepares its "
                    "examples itself; leave it out"
                )
        if loading.wanted.kind == "next" and self.params.vocabulary is None:
            raise UserError(f"{self.name}: type the number of tokens: vocabulary: N")


def parts_of(name: str, returned: Mapping[Any, Any]) -> dict[str, Any]:
    """Returns part -> value of a mapping with the names of parts; empty if it has none.

    Raises:
        UserError: Two names are the same part, or there is no training part.
    """
    parts: dict[str, Any] = {}
    for key, value in returned.items():
        part = part_of(key) if isinstance(key, str) else None
        if part is None:
            continue
        if part in parts:
            raise UserError(f"{name} returned two {part} parts; return one")
        parts[part] = value
    if parts and "train" not in parts:
        names = ", ".join(map(str, returned))
        raise UserError(f"{name} returned {names}; return a part train, too")
    return {part: parts[part] for part in PART_NAMES if part in parts}


def is_array_pair(value: Any) -> bool:
    """Returns whether a part is (inputs, targets): two arrays, or an array and a list of boxes."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        return False
    inputs, targets = value
    return _is_array(inputs) and (_is_array(targets) or _is_list_of_boxes(targets))


def _is_array(value: Any) -> bool:
    return hasattr(value, "dtype") and getattr(value, "ndim", 0) > 0


def _is_list_of_boxes(value: Any) -> bool:
    listed = isinstance(value, list | tuple) and len(value) > 0
    return listed and all(isinstance(each, Mapping) for each in value)


def class_names_of(value: Any) -> tuple[str, ...]:
    """Returns the names of the classes that a Dataset, or that of a loader, has."""
    dataset = getattr(value, "dataset", value)
    names = getattr(dataset, "classes", None)
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        return ()
    return tuple(names)


def _completed(name: str, sources: dict[str, PartSource], loading: LoadContext) -> Split:
    """Splits missing parts off a Dataset, in place.

    Raises:
        UserError: A part is missing, and the training part cannot be split.
    """
    datasets = {part: each for part, each in sources.items() if isinstance(each, DatasetSource)}
    missing = [part for part in ("validation", "test") if part not in sources]
    if not missing:
        return Split({}, loading.seen)
    if "train" not in datasets:
        return _without_split(name, sources, loading)
    origins = list(datasets)
    parts = {
        part: _as_rows(name, part, number, source, loading)
        for number, (part, source) in enumerate(datasets.items())
    }
    # Loaders keep their parts: no row is taken from them, and none is added.
    for part in sources.keys() - datasets.keys():
        parts[part] = _rows(np.empty((0, 2), np.int64), np.empty(0, np.int64))
    raw = RawData(name, parts, TargetFacts(loading.wanted.kind, 0))
    split = complete_parts(raw, loading.options, loading.seed, loading.seen)
    frozen = []
    for part, rows in split.parts.items():
        assert rows.inputs is not None
        if part not in datasets and part in sources:
            continue
        if not len(rows.inputs):
            continue  # there is no test part
        source = datasets[origins[int(rows.inputs[0, 0])]]
        off = part in missing
        if off and source.is_random:
            frozen.append(part)
        sources[part] = source.taken(rows.inputs[:, 1].tolist(), frozen=off)
    notes = (*split.notes, *(FROZEN.format(parts=" and the ".join(frozen)) for _ in frozen[:1]))
    return Split({}, split.seen, split.no_test, notes)


def _without_split(name: str, sources: Mapping[str, PartSource], loading: LoadContext) -> Split:
    if "validation" not in sources:
        raise UserError(
            f"{name}: there is no validation part, and a loader cannot be split; return a part "
            "validation, too, or a Dataset as train"
        )
    return Split({}, loading.seen, NO_TEST)


def _as_rows(
    name: str, part: str, number: int, source: DatasetSource, loading: LoadContext
) -> RawPart:
    """Returns the numbers of a Dataset's examples as a part that can be split."""
    rows = np.array([[number, row] for row in source.rows], dtype=np.int64).reshape(-1, 2)
    if not len(rows):
        raise UserError(f"{name}: {part}: there are no examples")
    if loading.wanted.kind != "class" or part == "test":
        return _rows(rows, np.zeros(len(rows), dtype=np.int64))
    labels = guarded(f"{name}: {part}", lambda: _labels_of(source))
    return _rows(rows, checked_labels(name, part, np.asarray(labels), (len(rows),)))


def _rows(rows: np.ndarray, labels: np.ndarray) -> RawPart:
    return RawPart(labels, inputs=rows)


def _labels_of(source: DatasetSource) -> Any:
    """Returns the class of each example: from `targets` or `labels`, else by reading all."""
    for attribute in ("targets", "labels"):
        values = getattr(source.dataset, attribute, None)
        if values is not None and not callable(values) and np.shape(values) == (len(source.rows),):
            return np.asarray(values)
    with RandomState(0).active():
        return [np.asarray(source.dataset[row][1]).item() for row in source.rows]
