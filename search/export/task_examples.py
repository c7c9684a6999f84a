"""Examples of a user's for a built-in task, to score an exported model on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from paretune.inputs import Signature, Tokens
from paretune.search.data.targets import FORMS, checked_targets
from paretune.search.errors import UserError
from paretune.search.export.raw_examples import UserExamples, read_arrays
from paretune.search.export.task_facts import input_shape
from paretune.search.export.task_script import table_code
from paretune.search.tasks import TASKS, brings_data
from paretune.search.tasks.target_facts import TargetFacts


def load_task_examples(manifest: Mapping[str, Any], path: Path) -> UserExamples:
    """Loads examples and their targets as the test part, prepared for the model.

    Args:
        manifest: Content of the export's manifest, with an entry `task`.
        path: An .npz with x_test and y_test, in the form of the study's data; for a table also a
            .csv or .tsv with its columns and targets.

    Raises:
        UserError: They cannot be read, do not fit the model, or only a user's task can score it.
    """
    task, shape = manifest["task"], input_shape(manifest)
    name, kind = task["name"], task["kind"]
    if kind is None or name not in TASKS.names or brings_data(TASKS.get(name)):
        raise UserError(
            f"--data: only the task {name} itself can score this model; run your script on load.py"
        )
    preprocessing = manifest["preprocessing"]
    is_table = "features" in preprocessing and path.suffix.lower() in (".csv", ".tsv")
    if (
        isinstance(shape, Signature)
        or not path.is_file()
        or not (is_table or path.suffix == ".npz")
    ):
        raise UserError(
            f"--data {path}: give an .npz with x_test and y_test; y_test: {FORMS[kind]}"
        )
    if is_table:
        inputs, targets = _table(path, preprocessing, task)
    else:
        examples, targets = read_arrays(path)
        inputs = _prepared(examples, preprocessing, shape, f"--data {path}")
    entry = TASKS.get(name)
    image = tuple(task["image"]) if "image" in task else None
    facts = TargetFacts(kind, task["size"], tuple(task["names"]), image)
    made = entry.make(entry.Params.model_validate(task["params"]), facts)
    checked = _targets(path, targets, len(inputs), facts)
    return UserExamples({"test": (inputs, checked)}, shape, made)


def _targets(path: Path, targets: Any, count: int, facts: TargetFacts) -> Any:
    """Returns the targets as batches have them."""
    from paretune.search.data.dataset import as_arrays
    from paretune.search.data.target_rows import TargetRows

    if facts.kind == "class":
        checked: Any = np.asarray(targets, dtype=np.int64)
    else:
        checked = checked_targets(f"--data {path.name}", "test", targets, count, facts.kind)
    if len(checked) != count:
        raise UserError(f"--data {path}: {count} examples and {len(checked)} targets")
    return as_arrays(TargetRows(checked)[slice(0, count)])


def _table(
    path: Path, preprocessing: Mapping[str, Any], task: Mapping[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the model's inputs for the rows of a table, and their targets.

    Raises:
        UserError: A column is missing, or a cell is no number.
    """
    code = table_code(preprocessing)
    try:
        rows = code["read"]([path])
        inputs: np.ndarray = code["prepare"](rows)
        if task["kind"] != "class":
            return inputs, np.array([[float(row[name]) for name in task["names"]] for row in rows])
    except (ValueError, KeyError, OSError) as error:
        raise UserError(f"--data {path}: {error}") from error
    numbers = {name: number for number, name in enumerate(task["names"])}
    taken = {column["name"] for column in preprocessing["columns"]}
    others = [name for name in rows[0] if name not in taken]
    targets = [name for name in others if all(row.get(name, "").strip() in numbers for row in rows)]
    if len(targets) != 1:
        raise UserError(
            f"--data {path}: {len(targets)} columns beside the inputs hold the model's classes; "
            "give a table with one"
        )
    return inputs, np.array([numbers[row[targets[0]].strip()] for row in rows])


def _prepared(
    examples: np.ndarray, preprocessing: Mapping[str, Any], shape: Any, where: str
) -> np.ndarray:
    """Returns the inputs of the model, as the study makes them of examples.

    Raises:
        UserError: They have another shape or type.
    """
    images = "scale" in preprocessing
    if images and examples.dtype != np.uint8:
        raise UserError(f"{where}: images are {examples.dtype}; give bytes, uint8")
    if images and examples.ndim == 4 and examples.shape[1] != shape[0]:
        examples = examples.transpose(0, 3, 1, 2)
    tokens = isinstance(shape, Tokens)
    wanted = (shape.length,) if tokens else tuple(shape)
    if examples.shape[1:] != wanted:
        raise UserError(
            f"{where}: examples of shape {list(examples.shape[1:])}; the model takes {list(wanted)}"
        )
    if tokens:
        return np.asarray(examples, dtype=np.int64)
    if preprocessing.get("mean") is None:
        return np.asarray(examples, dtype=np.float32)
    mean, std = (np.array(preprocessing[key], dtype=np.float32) for key in ("mean", "std"))
    if images:
        mean, std = mean[:, None, None], std[:, None, None]
        return np.asarray((examples / 255 - mean) / std, dtype=np.float32)
    return np.asarray((examples.astype(np.float32) - mean) / std, dtype=np.float32)
