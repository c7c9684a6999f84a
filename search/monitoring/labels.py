"""Scores logged predictions on labels that came later."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from paretune.objectives.classification_scores import wilson
from paretune.objectives.score_intervals import score_interval
from paretune.search.errors import UserError
from paretune.search.monitoring.call_records import CallRecords

ALPHA = 0.001
"""Chance that an equally good score counts as worse."""

LEAST_DROP = 0.02
"""Least drop of an accuracy that matters."""

LEAST_RISE = 0.1
"""Least rise of an error that matters, as a share of the recorded one."""

Labels = dict[str, str]
"""Name of an example, or its number in the stream -> its label as text."""


@dataclass(frozen=True)
class Score:
    """A score of the logged predictions, beside that of the manifest.

    Attributes:
        name: "accuracy", "rmse" or "mae".
        unit: "fraction", or "" for an error.
        value: The score.
        low: Lower end of its 95 % interval.
        high: Upper end.
        count: Number of examples with a label.
        recorded: The same score in the manifest; None if there is none.
        recorded_low: Lower end of its 95 % interval.
        recorded_high: Upper end.
        part: Part of the data that it was measured on.
        p: Probability of such a difference, or a larger one, if the model is as good as recorded.
        level: "off" if it is worse.
    """

    name: str
    unit: str
    value: float
    low: float
    high: float
    count: int
    recorded: float | None
    recorded_low: float | None
    recorded_high: float | None
    part: str | None
    p: float | None
    level: Literal["ok", "off", "not compared"]

    def to_json(self) -> dict[str, Any]:
        """Returns all fields."""
        return asdict(self)


def read_labels(file: Path) -> Labels:
    """Reads labels: a .csv with the columns id and label (or label alone), or JSON lines of these.

    Without ids, line 1 is the label of the first example of the stream, and so on.

    Raises:
        UserError: It cannot be read, has other columns, or names an example twice.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise UserError(f"--labels {file}: there is no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--labels {file}: cannot be read: {error}") from error
    rows = _json_rows(file, text) if text.lstrip().startswith("{") else _csv_rows(file, text)
    labels: Labels = {}
    for number, (line, row) in enumerate(rows):
        if row.get("label") in (None, ""):
            raise UserError(f"--labels {file}:{line}: there is no label; give id,label or label")
        name = str(number) if row.get("id") in (None, "") else str(row["id"])
        if name in labels:
            raise UserError(f"--labels {file}:{line}: the id {name} has a label already")
        labels[name] = str(row["label"])
    if not labels:
        raise UserError(f"--labels {file}: there are no labels; give a .csv with id,label")
    return labels


def _csv_rows(file: Path, text: str) -> list[tuple[int, Mapping[str, Any]]]:
    lines = text.splitlines()
    table = csv.DictReader(lines)
    names = [name.strip() for name in table.fieldnames or []]
    if "label" not in names or not set(names) <= {"id", "label"}:
        raise UserError(
            f"--labels {file}: its columns are {', '.join(names) or 'none'}; the first line is "
            "id,label or label"
        )
    table.fieldnames = names
    return [(table.line_num, {k: (v or "").strip() for k, v in r.items() if k}) for r in table]


def _json_rows(file: Path, text: str) -> list[tuple[int, Mapping[str, Any]]]:
    rows: list[tuple[int, Mapping[str, Any]]] = []
    for line, each in enumerate(text.splitlines(), start=1):
        if each.strip():
            try:
                value = json.loads(each)
            except ValueError as error:
                raise UserError(f"--labels {file}:{line}: is no JSON: {error}") from error
            if not isinstance(value, dict):
                raise UserError(f'--labels {file}:{line}: give {{"id": ..., "label": ...}}')
            rows.append((line, value))
    return rows


def matched(file: Path, labels: Labels, records: CallRecords) -> tuple[np.ndarray, list[str]]:
    """Returns the numbers of the logged examples that have a label, and these labels.

    Raises:
        UserError: No label fits, or the order of several processes decides.
    """
    has_ids = any(records.ids)
    if not has_ids and len(set(records.example_process)) > 1:
        raise UserError(
            f"--labels {file}: {len(set(records.example_process))} processes wrote the log, so the "
            'order of the examples is not known; name them: model(inputs, log_ids=["a", ...])'
        )
    names = records.ids if has_ids else [str(number) for number in records.number]
    rows = [row for row, name in enumerate(names) if name in labels]
    if not rows:
        example = next((name for name in names if name), "none")
        raise UserError(
            f"--labels {file}: none of its {len(labels)} labels fits an example of the log; the "
            f"log has ids such as {example}, the labels such as {next(iter(labels))}"
        )
    return np.array(rows), [labels[names[row]] for row in rows]


def scores(
    file: Path, records: CallRecords, content: Mapping[str, Any], calls: Mapping[str, Any]
) -> list[Score]:
    """Returns the scores of the predictions in a log.

    Args:
        file: The labels.
        records: The calls.
        content: Content of the manifest.
        calls: Kind and names of the outputs, from the manifest.

    Raises:
        UserError: The labels cannot be read or do not fit, or the log cannot be scored.
    """
    labels = read_labels(file)
    kind = calls["kind"]
    if kind not in ("class", "values") or _columns(records, kind) is None:
        raise UserError(
            f"--labels {file}: a log has no predictions of this task, only statistics; to score "
            "the model on labelled examples: paretune verify DIR --data FILE"
        )
    rows, texts = matched(file, labels, records)
    columns = _columns(records, kind)
    assert columns is not None
    predicted = columns[rows]
    if kind == "class":
        names = [str(name) for name in _class_names(content, calls)]
        return [_accuracy(predicted[:, 0], _classes(file, texts, names), content, records)]
    return _errors(predicted, _numbers(file, texts, predicted.shape[1]), content, records)


def _class_names(content: Mapping[str, Any], calls: Mapping[str, Any]) -> Sequence[Any]:
    task = content.get("task")
    names: Sequence[Any] = (
        content["preprocessing"]["class_names"] if task is None else task["names"]
    )
    return names or calls["names"]


def _columns(records: CallRecords, kind: str) -> np.ndarray | None:
    """Returns the predictions [N, D] in a log; None if it has none."""
    names = [name for name in records.statistics if name.startswith("outputs.value.")]
    if kind == "class":
        names = ["outputs.class"] if "outputs.class" in records.statistics else []
    return np.stack([records.statistics[name] for name in names], axis=1) if names else None


def _classes(file: Path, texts: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """Returns labels as numbers of classes: names, or numbers if no class has such a name.

    Raises:
        UserError: There is no such class.
    """
    numbers = {name: number for number, name in enumerate(names)}
    classes = []
    for text in texts:
        number = numbers.get(text)
        if number is None and text.isdecimal() and (not names or int(text) < len(names)):
            number = int(text)
        if number is None:
            listed = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
            raise UserError(f"--labels {file}: the model has no class {text}; it has {listed}")
        classes.append(number)
    return np.array(classes)


def _numbers(file: Path, texts: Sequence[str], width: int) -> np.ndarray:
    """Returns labels as numbers [N, D]; several are separated by spaces.

    Raises:
        UserError: One is no number, or there are more or fewer than values.
    """
    try:
        values = [[float(part) for part in text.split()] for text in texts]
    except ValueError as error:
        raise UserError(f"--labels {file}: a label is no number: {error}") from error
    if any(len(row) != width for row in values):
        raise UserError(
            f"--labels {file}: give {width} numbers for each label, with spaces between"
        )
    return np.array(values)


def _recorded(
    content: Mapping[str, Any], artifact: Mapping[str, Any], names: Sequence[str]
) -> tuple[Mapping[str, Any], str] | None:
    """Returns a score of the manifest and the part that it was measured on; test comes first."""
    for part in ("test", "validation"):
        measured = {**content["measurements"][part]} if artifact["measured"] else {}
        measured |= artifact["expected"][part] or {}
        for name in names:
            if name in measured:
                return measured[name], part
    return None


def _accuracy(
    predicted: np.ndarray, labels: np.ndarray, content: Mapping[str, Any], records: CallRecords
) -> Score:
    from scipy.stats import fisher_exact

    correct, count = int((predicted == labels).sum()), len(labels)
    low, high = wilson(correct, count)
    pair = _recorded(content, records.artifact, ("accuracy.top1", "accuracy"))
    facts = (correct / count, low, high, count)
    if pair is None:
        return Score("accuracy", "fraction", *facts, None, None, None, None, None, "not compared")
    recorded, part = pair
    had = round(recorded["value"] * recorded["count"])
    table = [[correct, count - correct], [had, recorded["count"] - had]]
    p = float(fisher_exact(table, alternative="less").pvalue)
    is_off = p < ALPHA and recorded["value"] - correct / count >= LEAST_DROP
    ends = (recorded["value"], recorded["low"], recorded["high"], part)
    return Score("accuracy", "fraction", *facts, *ends, p, "off" if is_off else "ok")


def _errors(
    predicted: np.ndarray, labels: np.ndarray, content: Mapping[str, Any], records: CallRecords
) -> list[Score]:
    from paretune.objectives.metrics.regression import regression_scores

    measured = regression_scores(predicted, labels)
    return [_error(name, measured[name], content, records) for name in ("rmse", "mae")]


def _error(name: str, scored: Any, content: Mapping[str, Any], records: CallRecords) -> Score:
    from scipy.stats import norm

    interval = score_interval(scored, "", "")
    facts = (scored.value, interval.low, interval.high, scored.count)
    pair = _recorded(content, records.artifact, (name,))
    if pair is None:
        return Score(name, "", *facts, None, None, None, None, None, "not compared")
    recorded, part = pair
    widths = (interval.high - interval.low, recorded["high"] - recorded["low"])
    error = float(np.hypot(*widths)) / (2 * 1.96)
    rise = scored.value - recorded["value"]
    p = float(norm.sf(rise / error)) if error > 0 else float(rise <= 0)
    is_off = p < ALPHA and rise >= LEAST_RISE * recorded["value"]
    ends = (recorded["value"], recorded["low"], recorded["high"], part)
    return Score(name, "", *facts, *ends, p, "off" if is_off else "ok")
