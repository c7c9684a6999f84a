"""Examples of a user's own for a built-in task, with their targets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paretune.search.data import load_data
from paretune.search.errors import UserError
from paretune.search.export.task_examples import load_task_examples
from paretune.search.export.task_facts import task_json
from paretune.search.tasks import TaskChoice

RANDOM = np.random.default_rng(0)


def manifest_of(data: Any) -> dict[str, Any]:
    return {"task": task_json(data), "preprocessing": data.preprocessing()}


@pytest.fixture
def regression(tmp_path: Path) -> dict[str, Any]:
    """The manifest of a regression of two values on five normalized features."""
    x = RANDOM.normal(3, 2, size=(60, 5)).astype(np.float32)
    np.savez(tmp_path / "study.npz", x_train=x, y_train=x[:, :2])
    params = {"file": "study.npz", "normalize": "feature"}
    data = load_data("npz", params, tmp_path, task=TaskChoice("regression", {"keep": []}))
    return manifest_of(data)


def test_arrays_are_normalized_as_in_the_study(regression: Any, tmp_path: Path) -> None:
    x, y = RANDOM.normal(size=(7, 5)), RANDOM.normal(size=(7, 2))
    np.savez(tmp_path / "mine.npz", x_test=x, y_test=y)
    examples = load_task_examples(regression, tmp_path / "mine.npz")
    assert examples.task.name == "regression"
    assert examples.size("test") == 7 and not examples.same
    batches = list(examples.arrays("test", 4))
    mean, std = (np.array(regression["preprocessing"][key]) for key in ("mean", "std"))
    assert np.concatenate([inputs for inputs, _ in batches]) == pytest.approx(
        (x - mean) / std, 1e-4
    )
    assert np.concatenate([targets for _, targets in batches]) == pytest.approx(y, 1e-5)


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (np.zeros((7, 4)), np.zeros((7, 2)), r"examples of shape \[4\]; the model takes \[5\]"),
        (np.zeros((7, 5)), np.zeros((6, 2)), "7 examples and 6 targets"),
        (np.zeros((7, 5)), np.full((7, 2), np.nan), "not finite"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    regression: Any, tmp_path: Path, x: Any, y: Any, words: str
) -> None:
    np.savez(tmp_path / "mine.npz", x_test=x, y_test=y)
    with pytest.raises(UserError, match=words):
        load_task_examples(regression, tmp_path / "mine.npz")


@pytest.mark.parametrize("name", ["none.npz", "a.txt"])
def test_other_files_are_refused_with_what_to_give(
    regression: Any, tmp_path: Path, name: str
) -> None:
    (tmp_path / "a.txt").write_text("1")
    with pytest.raises(UserError):
        load_task_examples(regression, tmp_path / name)


def test_task_of_a_user_scores_its_own_examples(regression: Any, tmp_path: Path) -> None:
    regression["task"] = {**regression["task"], "name": "plates:Plates", "kind": None}
    with pytest.raises(UserError, match="only the task plates:Plates itself can score this model"):
        load_task_examples(regression, tmp_path / "study.npz")


@pytest.mark.parametrize("task", ["regression", "classification"])
def test_rows_of_a_table_have_their_targets(tmp_path: Path, task: str) -> None:
    rows = [f"{city},{age},{2 * age if task == 'regression' else city[0]}" for city in
            ("Bern", "Rome") for age in range(20, 40)]  # fmt: skip
    (tmp_path / "study.csv").write_text("\n".join(["city,age,y", *rows]) + "\n")
    params = {"file": "study.csv", "target": "y"}
    data = load_data("table", params, tmp_path, task=TaskChoice(task, {"keep": []}))
    mine = "y,other,age,city\n" + ("44,x,22,Rome\n" if task == "regression" else "R,x,22,Rome\n")
    (tmp_path / "mine.csv").write_text(mine)
    examples = load_task_examples(manifest_of(data), tmp_path / "mine.csv")
    [(inputs, targets)] = examples.arrays("test", 8)
    assert inputs.shape == (1, 3) and inputs[0, :2].tolist() == [0, 1]
    assert targets.ravel().tolist() == ([44] if task == "regression" else [1])
    (tmp_path / "short.csv").write_text("y,city\n1,Bern\n")
    with pytest.raises(UserError, match="a row lacks the column age"):
        load_task_examples(manifest_of(data), tmp_path / "short.csv")
