"""The reference of an export: what its outputs and inputs are like on the validation part.

`paretune monitor` compares the log of a deployed model with it. Each statistic is that of
`standalone_summary`, which the log takes as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paretune.inputs import signature_of
from paretune.nests import mapped, nest_of
from paretune.search.errors import UserError
from paretune.search.export.log_script import calls_for, calls_of
from paretune.search.export.picked_artifact import PickedArtifact
from paretune.search.export.probe import read_probe
from paretune.search.export.standalone_log import own_statistics
from paretune.search.export.standalone_summary import SUMMARY_VERSION, summarize
from paretune.search.study.tables import RUNTIMES

if TYPE_CHECKING:
    from paretune.search.data.dataset import Dataset
    from paretune.search.trial.workbench import Workbench

VERSION = 1

MOST_EXAMPLES = 2000
"""Validation examples in a reference; of more, every second, third, ... counts."""

BATCH = 64

QUANTILES = 65
"""Numbers that describe the distribution of a statistic."""

MOST_CLASSES = 50
"""Classes that are counted one by one; the others are counted together."""

Statistics = Mapping[str, Sequence[Any]]
"""Name -> a number for each example: {"outputs.confidence": [0.93, ...]}."""


def monitoring_json(
    workbench: Workbench, pick: PickedArtifact, content: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """Returns the manifest's entry for monitoring: what a log sums up, and the reference.

    Args:
        workbench: Workbench of the study.
        pick: Artifact that is exported.
        content: The manifest so far.
        folder: Folder of the exported files.
    """
    data = workbench.data
    calls = calls_of(data, content.get("task"))
    reference = {}
    for entry in content["artifacts"]:
        path = pick.artifact.path if entry["measured"] else folder / entry["file"]
        about = calls_for(entry, {**content, "monitoring": {"calls": calls}})
        statistics = _Summaries(data, entry, about).of_file(path)
        probe = read_probe(folder, content, entry["file"])
        reference[entry["file"]] = {
            "validation": {name: sketch(name, values) for name, values in statistics.items()},
            "probe": probe_means(about, probe.inputs, probe.outputs[entry["file"]]),
        }
    return {
        "version": VERSION,
        "summary": SUMMARY_VERSION,
        "part": "validation",
        "calls": calls,
        "reference": reference,
    }


def sketch(name: str, values: Sequence[Any]) -> dict[str, Any]:
    """Returns the distribution of a statistic in a few numbers.

    Args:
        name: Name of the statistic; one that ends in "class" has counts.
        values: A number for each example; None is left out.

    Returns:
        {"count", "counts"} with the number of examples of each class, or {"count", "quantiles"}:
        numbers at even steps from the least to the largest, as text, because it stays on one line.
    """
    present = [value for value in values if value is not None]
    if is_class(name):
        counted = Counter(present).most_common()
        counts = {str(label): number for label, number in counted[:MOST_CLASSES]}
        return {"count": len(present), "counts": counts}
    if not present:
        return {"count": 0, "quantiles": ""}
    ordered = np.sort(np.asarray(present, dtype=np.float64))
    points = np.quantile(ordered, np.linspace(0, 1, QUANTILES), method="linear")
    return {"count": len(present), "quantiles": " ".join(f"{point:.4g}" for point in points)}


def is_class(name: str) -> bool:
    """Returns whether a statistic is the number of a class, rather than a quantity."""
    return name == "outputs.class"


def mean_of(values: Sequence[Any]) -> float | None:
    """Returns the mean of a statistic with six digits; None without values."""
    present = [value for value in values if value is not None]
    return float(f"{sum(present) / len(present):.6g}") if present else None


def probe_means(
    about: Any, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray]
) -> dict[str, float | None]:
    """Returns the mean of each statistic over the probe, to see that a reader sums up as the log.

    Args:
        about: What the model takes and gives.
        inputs: Inputs of the probe, in order.
        outputs: Recorded outputs, in order.
    """
    parts = summarize(about, list(inputs), list(outputs), np.arange(len(inputs[0])))
    return {
        f"{side}.{name}": mean_of(v) for side, each in parts.items() for name, v in each.items()
    }


class _Summaries:
    """The statistics of one exported file on the validation part.

    Args:
        data: Data of the study.
        entry: The file's entry in the manifest.
        about: What the model takes and gives.
    """

    def __init__(self, data: Dataset, entry: Mapping[str, Any], about: Any) -> None:
        self._data, self._entry, self._about = data, entry, about
        self._own = getattr(getattr(data.task, "object", None), "summary", None)

    def of_file(self, path: Path) -> dict[str, list[Any]]:
        """Returns name -> a number for each example.

        Raises:
            UserError: The task's own `summary` fails.
        """
        runtime = RUNTIMES.get(self._entry["runtime"])
        session = runtime.load(path, runtime.Params.model_validate(self._entry["options"]))
        collected: dict[str, list[Any]] = {}
        for inputs in _batches(self._data):
            results = session(*inputs)
            outputs = list(results) if isinstance(results, tuple) else [results]
            rows = np.arange(len(inputs[0]))
            parts = summarize(self._about, inputs, outputs, rows)
            parts["outputs"] |= self._own_summary(outputs, rows)
            for side, statistics in parts.items():
                for name, values in statistics.items():
                    collected.setdefault(f"{side}.{name}", []).extend(values)
        return collected

    def _own_summary(self, outputs: list[np.ndarray], rows: np.ndarray) -> dict[str, list[Any]]:
        if self._own is None:
            return {}
        try:
            summary = self._own(nest_of(self._entry["info"].get("outputs"), outputs))
            return own_statistics(summary, rows)
        except Exception as error:  # the user's code
            raise UserError(
                f"task {self._data.task.name}: summary raised {type(error).__name__}: {error}; "
                'write def summary(self, outputs): return {"name": [a number for each example]}'
            ) from error


def _batches(data: Dataset) -> Iterator[list[np.ndarray]]:
    """Yields the inputs of evenly spaced validation examples."""
    every = -(-data.size("validation") // MOST_EXAMPLES)
    signature, number = signature_of(data.shape), 0
    for nest, _ in data.arrays("validation", BATCH):
        arrays = signature.flat(mapped(nest, np.asarray))
        numbers = np.arange(number, number + len(arrays[0]))
        number += len(numbers)
        kept = numbers % every == 0
        if kept.any():
            yield [np.ascontiguousarray(each[kept]) for each in arrays]
