"""Arrays from your own function."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from paretune.search.data import load_data
from paretune.search.errors import UserError
from paretune.search.tasks import TaskChoice

MODULE = """
import numpy as np

def make(rows=40, classes=4):
    x = np.arange(rows * 16, dtype=np.uint8).reshape(rows, 4, 4)
    return {"x_train": x, "y_train": np.arange(rows) % classes}

def lists():
    return {"x_train": [[[1, 2], [3, 4]]] * 8, "y_train": [0, 1] * 4}

class Factory:
    make = staticmethod(make)

def number():
    return 3

def ragged():
    return {"x_train": [[1, 2], [3]], "y_train": [0, 1]}

def raises():
    raise KeyError("no such thing")

def numbered():
    return {1: [2]}

def unlabelled():
    return {"x_train": make()["x_train"]}

constant = 5
"""

NAMES = (f"own_data_{number}" for number in itertools.count())


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module with data functions; another name in each test."""
    name = next(NAMES)
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("function", "sizes"),
    [
        ("make", {"train": 24, "validation": 8, "test": 8}),
        ("lists", {"train": 4, "validation": 2, "test": 2}),
        ("Factory.make", {"train": 24, "validation": 8, "test": 8}),
    ],
)
def test_arrays_of_a_function_become_a_data_set(
    module: str, tmp_path: Path, function: str, sizes: dict[str, int]
) -> None:
    data = load_data("python", {"function": f"{module}:{function}"}, tmp_path)

    assert data.info()["sizes"] == sizes
    assert data.info()["source"] == f"python {module}:{function}"


def test_arguments_are_passed_to_the_function(module: str, tmp_path: Path) -> None:
    options = {"function": f"{module}:make", "args": {"rows": 20, "classes": 2}}

    data = load_data("python", options, tmp_path)

    assert data.classes == 2
    assert sum(data.info()["sizes"].values()) == 20


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            "number",
            " returned a int; return a mapping of arrays with x_train and y_train, a Dataset, or ",
        ),
        ("ragged", " returned a value that is not an array: "),
        ("raises", " raised KeyError: 'no such thing'"),
        ("constant", " raised TypeError: 'int' object is not callable"),
        ("numbered", ": x_train and y_train are missing; arrays found: 1"),
        ("unlabelled", ": the array y_train is missing"),
        ("nothing", ": module '{module}' has no attribute 'nothing'; is it installed, or "),
    ],
)
def test_function_is_refused_with_the_reason(
    module: str, tmp_path: Path, function: str, message: str
) -> None:
    with pytest.raises(UserError) as error:
        load_data("python", {"function": f"{module}:{function}"}, tmp_path)

    assert str(error.value).startswith(
        f"data: python {module}:{function}{message.replace('{module}', module)}"
    )


def test_argument_is_refused_when_the_function_does_not_take_it(
    module: str, tmp_path: Path
) -> None:
    options = {"function": f"{module}:make", "args": {"row": 20}}

    with pytest.raises(UserError, match=r"raised TypeError: make\(\) got an unexpected keyword"):
        load_data("python", options, tmp_path)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = (", "importing it: SyntaxError: '(' was never closed"),
        (
            "raise RuntimeError('no GPU')",
            "importing it: RuntimeError: no GPU ({module}.py, line 1)",
        ),
        ("import no_such_module_at_all", "No module named 'no_such_module_at_all'; is it "),
    ],
)
def test_module_is_refused_when_it_cannot_be_imported(
    module: str, tmp_path: Path, source: str, message: str
) -> None:
    (tmp_path / f"{module}.py").write_text(source)

    with pytest.raises(UserError) as error:
        load_data("python", {"function": f"{module}:make"}, tmp_path)

    assert str(error.value).startswith(
        f"data: python {module}:make: {message.format(module=module)}"
    )


@pytest.mark.parametrize("name", ["no_such_module_at_all:make", ".x:make", "a..b:make"])
def test_name_is_refused_when_it_cannot_be_resolved(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError) as error:
        load_data("python", {"function": name}, tmp_path)

    assert str(error.value).startswith(f"data: python {name}: ")


LOADERS = """
import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

def data(count):
    x = torch.rand(count, 5, generator=torch.Generator().manual_seed(count))
    return TensorDataset(x, torch.arange(count) % 2)

def datasets():
    return {"Train": data(20), "VAL": data(8), "test": data(6)}

def single():
    return data(20)

def loaders():
    return {"train": DataLoader(data(20), 4, shuffle=True), "valid": DataLoader(data(8), 4)}

def pairs():
    return {"train": (np.random.default_rng(0).normal(size=(20, 5)), np.arange(20) % 2)}

def mixed():
    return {"train": data(20), "test": (np.zeros((4, 5)), np.arange(4) % 2)}

def boxes():
    x = np.random.default_rng(0).integers(0, 256, (10, 8, 8), dtype=np.uint8)
    y = [{"boxes": [[0, 0, 4, 4]] * (row % 3), "labels": [0] * (row % 3)} for row in range(10)]
    return {"x_train": x, "y_train": y}

def pairs_of_boxes():
    arrays = boxes()
    return {"train": (arrays["x_train"], arrays["y_train"])}
"""


@pytest.fixture
def loaders(module: str, tmp_path: Path) -> str:
    """The name of a module with functions that return Datasets and loaders."""
    (tmp_path / f"{module}.py").write_text(LOADERS)
    return module


@pytest.mark.parametrize(
    ("function", "sizes"),
    [
        ("datasets", {"train": 20, "validation": 8, "test": 6}),
        ("single", {"train": 12, "validation": 4, "test": 4}),
        ("loaders", {"train": 20, "validation": 8, "test": 0}),
        ("pairs", {"train": 12, "validation": 4, "test": 4}),
    ],
)
def test_function_may_return_datasets_loaders_and_pairs(
    loaders: str, tmp_path: Path, function: str, sizes: dict[str, int]
) -> None:
    data = load_data("python", {"function": f"{loaders}:{function}"}, tmp_path)

    assert data.info()["sizes"] == sizes
    assert data.shape == (5,)
    assert data.classes == 2


@pytest.mark.parametrize("function", ["boxes", "pairs_of_boxes"])
def test_boxes_come_as_a_list(loaders: str, tmp_path: Path, function: str) -> None:
    options = {"function": f"{loaders}:{function}"}

    data = load_data("python", options, tmp_path, task=TaskChoice("detection"))

    [(_, targets)] = data.batches("train", 99)
    assert {len(target["boxes"]) for target in targets} <= {0, 1, 2}
    assert data.counts("train")[0] > 0


def test_code_of_the_module_is_part_of_the_fingerprint(loaders: str, tmp_path: Path) -> None:
    options = {"function": f"{loaders}:datasets"}
    first = load_data("python", options, tmp_path).fingerprint

    file = tmp_path / f"{loaders}.py"
    file.write_text(LOADERS + "\n# a comment\n")
    assert load_data("python", options, tmp_path).fingerprint == first
    file.write_text(LOADERS + "\nflips = True\n")
    assert load_data("python", options, tmp_path).fingerprint != first


def test_arrays_beside_a_dataset_are_refused(loaders: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="arrays for test and no arrays for train; return one kind"):
        load_data("python", {"function": f"{loaders}:mixed"}, tmp_path)
