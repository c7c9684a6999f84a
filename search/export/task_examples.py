"""Examples of a user's for a built-in task, to score an exported model on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from paretune.inputs import Signature
from paretune.search.data.targets import FORMS, checked_targets
from paretune.search.errors import UserError
from paretune.search.export.raw_examples import UserExamples, read_arrays
from paretune.search.export.task_facts import input_shape
from paretune.search.tasks import TASKS, brings_data
from paretune.search.tasks.target_facts import TargetFacts


def load_task_examples(manifest: Mapping[str, Any], path: Path) -> UserExamples:
    """Loads examples and their targets as the test part, prepared for the model.

    Args:
        manifest: Content of the export's manifest, with an entry `task`.
        path: An .npz with x_test and y_test, in the form of the study's data.

    Raises:
        UserError: They cannot be read, do not fit the model, or only a user's task can score it.
    """
    task, shape = manifest["task"], input_shape(manifest)
    name, kind = task["name"], task["kind"]
    if kind is None or name not in TASKS.names or brings_data(TASKS.get(name)):
        raise UserError(
            f"--data: only the task {name} itself can score this model; run your script on load.py"
        )
    if isinstance(shape, Signature) or not path.is_file() or path.suffix != ".npz":
        raise UserError(
            f"--data {path}: give an .npz with x_test and y_test; y_test: {FORMS[kind]}"
        )
    examples, targets = read_arrays(path)
    inputs = _prepared(examples, manifest["preprocessing"], f"--data {path}")
    if inputs.shape[1:] != (shape[:1] if hasattr(shape, "vocabulary") else tuple(shape)):
        raise UserError(
            f"--data {path}: examples of shape {list(examples.shape[1:])}; the model takes "
            f"{list(shape)}"
        )
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


def _prepared(examples: np.ndarray, preprocessing: Mapping[str, Any], where: str) -> np.ndarray:
    """Returns the inputs of the model, as the study makes them of examples."""
    if "scale" in preprocessing:
        if examples.dtype != np.uint8:
            raise UserError(f"{where}: images are {examples.dtype}; give bytes, uint8")
        if examples.ndim == 4 and examples.shape[1] != preprocessing["shape"][0]:
            examples = examples.transpose(0, 3, 1, 2)
        mean, std = (
            np.array(preprocessing[key], dtype=np.float32)[:, None, None] for key in ("mean", "std")
        )
        return np.asarray((examples / 255 - mean) / std, dtype=np.float32)
    if "vocabulary" in preprocessing:
        return np.asarray(examples, dtype=np.int64)
    inputs = np.asarray(examples, dtype=np.float32)
    if preprocessing.get("mean") is None:
        return inputs
    mean, std = (np.array(preprocessing[key], dtype=np.float32) for key in ("mean", "std"))
    return np.asarray((inputs - mean) / std, dtype=np.float32)
