"""Tables of numbers and categories."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from paretune.search.data import load_data
from paretune.search.data.table_dataset import TableDataset
from paretune.search.errors import UserError
from paretune.search.tasks import TaskChoice

HEADER = "id,size,color,rooms,sold,price"
Write = Callable[..., Path]


def rows(count: int = 30, start: int = 0) -> list[str]:
    colors = ("red", "green", "blue")
    return [
        f"{i},{i * 1.5},{colors[i % 3]},{i % 4},{'yes' if i % 2 else 'no'},{100 + i}"
        for i in range(start, start + count)
    ]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a table and returns its folder."""

    def written(lines: Sequence[str], name: str = "t.csv", header: str = HEADER) -> Path:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("\n".join([header, *lines]) + "\n")
        return tmp_path

    return written


def load(base: Path, task: str = "regression", seed: int = 0, **options: Any) -> TableDataset:
    params = {"file": "t.csv", "target": "price", "ignore": ["id"], **options}
    data = load_data("table", params, base, seed, task=TaskChoice(task))
    assert isinstance(data, TableDataset)
    return data


def everything(data: TableDataset, part: str = "train") -> tuple[torch.Tensor, Any]:
    [(inputs, targets)] = data.batches(part, 999)
    return inputs, targets


def test_numbers_are_standardized_and_categories_are_one_hot(write: Write) -> None:
    data = load(write(rows()))

    inputs, targets = everything(data)
    preprocessing = data.preprocessing()
    assert preprocessing["features"] == [
        "size", "color=blue", "color=green", "color=red", "rooms", "sold=no", "sold=yes"
    ]  # fmt: skip
    assert data.shape == (7,)
    assert inputs[:, [0, 4]].mean(0).numpy() == pytest.approx(0, abs=1e-5)
    assert inputs[:, [0, 4]].std(0, correction=0).numpy() == pytest.approx(1, abs=1e-5)
    assert (inputs[:, 1:4].sum(1) == 1).all()
    row = (targets[:, 0] - 100).int()
    assert torch.equal(inputs[:, 3] == 1, row % 3 == 0)
    assert torch.equal(inputs[:, 6] == 1, row % 2 == 1)
    raw, _ = next(data.examples("train", 999))
    assert raw[:, 0] == pytest.approx(row.numpy() * 1.5)
    mean, std = (np.array(preprocessing[key], np.float32) for key in ("mean", "std"))
    assert np.array_equal((raw - mean) / std, inputs.numpy())
    assert data.class_names == ["price"]
    assert targets.shape == (19, 1)


def test_categories_can_be_integers_and_numbers_categories(write: Write) -> None:
    data = load(write(rows()), encode="integer", categorical=["rooms"], standardize=False)

    inputs, targets = everything(data)
    row = (targets[:, 0] - 100).int()
    assert data.preprocessing()["features"] == ["size", "color", "rooms", "sold"]
    assert torch.equal(inputs[:, 0], row * 1.5)
    assert torch.equal(inputs[:, 2].int(), row % 4 + 1)
    assert data.preprocessing()["mean"] is None


def test_unknown_categories_become_zeros_and_the_user_is_told(write: Write) -> None:
    write(rows())
    base = write([row.replace("red", "pink") for row in rows(6, 40)], "test.csv")

    hot = load(base, test_file="test.csv")
    numbered = load(base, test_file="test.csv", encode="integer")

    assert hot.size("test") == 6
    unknown = [i for i in range(6) if (40 + i) % 3 == 0]
    assert (everything(hot, "test")[0][unknown, 1:4] == 0).all()
    assert (everything(numbered, "test")[0][unknown, 1] == 0).all()
    assert "2 cells of the test part hold a category that the training part lacks." in hot.notes


def test_missing_cells_follow_the_rule(write: Write) -> None:
    lines = [row.replace(",3.0,red,", ",NA,,") if "3.0,blue" in row else row for row in rows()]
    lines[0] = "0,NA,red,0,no,100"
    lines[1] = "1,1.5,,1,yes,101"
    base = write(lines, "train.csv")
    write(rows(6, 40), "val.csv")
    write(rows(6, 50), "test.csv")

    data = load(base, file=".")

    inputs, _ = everything(data)
    raw, _ = next(data.examples("train", 99))
    assert raw[0, 0] == pytest.approx(np.mean([i * 1.5 for i in range(1, 30)]), rel=1e-6)
    assert inputs[0, 0] == pytest.approx(0, abs=1e-6)
    assert inputs[1, 1:4].tolist() == [0, 0, 0]
    assert data.notes[0] == "Missing numbers became the training part's mean (size 1)."
    assert data.preprocessing()["columns"][0] == {
        "name": "size", "kind": "number", "missing": pytest.approx(22.5)
    }  # fmt: skip
    with pytest.raises(UserError, match="numbers are missing in size 1; fill them, or type"):
        load(base, file=".", missing="refuse")


def test_mean_of_missing_cells_is_that_of_the_training_part(write: Write) -> None:
    lines = ["0,NA,red,0,no,100", *rows(29, 1)]

    means = {load(write(lines), seed=seed).preprocessing()["columns"][0]["missing"]
             for seed in range(3)}  # fmt: skip

    assert len(means) == 3


def test_classes_are_split_by_class(write: Write) -> None:
    data = load(write(rows()), "classification", target="color")

    assert data.class_names == ["blue", "green", "red"]
    assert data.info()["sizes"] == {"train": 18, "validation": 6, "test": 6}
    assert [data.counts(part) for part in ("train", "validation", "test")] == [
        [6, 6, 6], [2, 2, 2], [2, 2, 2]
    ]  # fmt: skip


def test_labels_of_several_columns_are_0_and_1(write: Write) -> None:
    lines = [f"{row},{int(i % 5 == 0)}" for i, row in enumerate(rows())]

    data = load(write(lines, header=f"{HEADER},late"), "multilabel", target=["sold", "late"])

    _, targets = everything(data)
    assert targets.shape == (19, 2)
    assert data.class_names == ["sold", "late"]
    assert set(targets.unique().tolist()) == {0, 1}


def test_several_values_are_predicted(write: Write) -> None:
    data = load(write(rows()), target=["price", "size"])

    assert data.task.outputs.size == 2
    assert data.preprocessing()["features"][0] == "color=blue"


def test_semicolons_and_tabs_separate_cells(write: Write) -> None:
    expected = load(write(rows())).fingerprint
    semicolons = load(
        write([row.replace(",", ";") for row in rows()], header=HEADER.replace(",", ";"))
    )
    base = write([row.replace(",", "\t") for row in rows()], "t.tsv", HEADER.replace(",", "\t"))

    assert semicolons.fingerprint == expected
    assert load(base, file="t.tsv").fingerprint == expected


def test_fingerprint_follows_content_options_and_seed(write: Write) -> None:
    base = write(rows())
    first = load(base).fingerprint
    others = [
        load(base, encode="integer").fingerprint,
        load(base, standardize=False).fingerprint,
        load(base, seed=1).fingerprint,
        load(write(rows(31))).fingerprint,
    ]

    assert load(write(rows())).fingerprint == first
    assert len({first, *others}) == 5


@pytest.mark.parametrize(
    ("task", "lines", "options", "message"),
    [
        ("regression", rows(), {"target": "prize"}, 'has no column "prize"; did you mean "price"?'),
        ("regression", rows(), {"ignore": ["no"]}, 'has no column "no". .* with ignore: ...'),
        ("regression", rows(), {"target": "color"}, 't.csv:2: the target color is "red"; give a'),
        ("regression", [*rows(), "9,1,red,1,no,"], {}, 't.csv:32: the target price is ""; give a'),
        ("regression", [*rows(), "9,1,red"], {}, "t.csv:32: this row has 3 cells and the header 6"),
        ("regression", rows(), {"test_file": "u.csv"}, "u.csv: there is no such file"),
        ("regression", rows(), {"file": "u.csv"}, "u.csv: there is no such file"),
        ("regression", [], {}, "t.csv has a header and no rows"),
        ("classification", rows(), {}, "column price has 30 different numbers; .* regression"),
        ("classification", rows(), {"target": ["color", "sold"]}, "2 columns; classification"),
        ("classification", [*rows(), "9,1,,1,no,9"], {"target": "color"}, "t.csv:32: this row"),
        ("classification", [*rows(), "9,1,x,1,no,9"], {"target": "color"}, "class 3 has 1 example"),
        ("multilabel", rows(), {"target": "rooms"}, "has label value 2; give 0 or 1"),
        ("segmentation", rows(), {}, "table is for task classification or multilabel"),
        ("regression", ["9,,red,1,no,9", "9,,red,1,no,8"] * 5, {}, "column size has no value in"),
        ("regression", rows(), {"ignore": HEADER.split(",")[:-1]}, "has no column beside the"),
    ],
)  # fmt: skip
def test_tables_are_refused_with_the_reason(
    write: Write, task: str, lines: list[str], options: Any, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        load(write(lines), task, **options)


def test_parts_must_fit_together(write: Write) -> None:
    write(rows())
    base = write(["40,abc,red,1,no,7"], "test.csv")

    message = 'test.csv:2: column size: "abc" is no number, .* type categorical: .size.'
    with pytest.raises(UserError, match=message):
        load(base, test_file="test.csv")
    write(["1,2"], "few.csv", "size,price")
    with pytest.raises(UserError, match=r"few.csv lacks the columns id, color, rooms, sold of"):
        load(base, test_file="few.csv", ignore=[])
    write(["40,1,pink,1,no,7"], "other.csv")
    with pytest.raises(UserError, match=r'other.csv:2: the class "pink" is not in the'):
        load(base, "classification", target="color", test_file="other.csv")


def test_columns_of_many_categories_are_refused(write: Write) -> None:
    lines = [f"{i},1,name{i},1,no,{i}" for i in range(1800)]

    with pytest.raises(UserError, match=r"column color has 1[0-9]{3} categories; leave it out"):
        load(write(lines))
    assert load(write(lines), encode="integer").shape == (4,)
