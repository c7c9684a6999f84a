"""Objects of this process under dotted paths, and the digests that tell when they change."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from paretune.search.user_code import code_digest, dotted_paths, resolve
from paretune.search.user_code.live import LiveConflict, LiveObject, live_objects
from paretune.search.user_code.live_digests import object_digest
from paretune.search.user_code.live_source import NoSource

CELL = """\
import torch
WIDTH = 8

class Layer(torch.nn.Module):
    def forward(self, x):
        return x * WIDTH  # times the width

def helper():
    return Layer()

class Net(torch.nn.Module):
    depth = 1
    def __init__(self):
        super().__init__()
        self.layer = helper()
    def forward(self, x):
        return self.layer(x)

def factory(scale=1):
    return Net()
"""


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """Returns a function that executes the text of a notebook cell as IPython does."""
    count = iter(range(99))

    def execute(text: str) -> dict[str, Any]:
        name = f"/tmp/ipykernel_1/{abs(hash(text))}_{next(count)}.py"
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        namespace: dict[str, Any] = {"__name__": "__main__"}
        main = ModuleType("__main__")
        monkeypatch.setitem(sys.modules, "__main__", main)
        exec(compile(text, name, "exec"), namespace)
        return namespace

    return execute


def test_path_resolves_and_has_the_digest_while_the_study_is_at_work() -> None:
    value = LiveObject(object, "abc")
    with live_objects({"Net": value}):
        assert resolve("this_process:Net") is object
        assert code_digest("this_process:Net") == "abc"
        assert list(dotted_paths(["this_process:Net"])) == ["this_process:Net"]
    assert code_digest("this_process:Net") is None
    with pytest.raises(AttributeError, match="Net was defined in a notebook or script"):
        resolve("this_process:Net")


def test_study_inside_another_adds_its_objects_and_takes_them_away() -> None:
    with live_objects({"A": LiveObject(1, "a")}):
        with live_objects({"B": LiveObject(2, "b"), "A": LiveObject(1, "a")}):
            assert (resolve("this_process:A"), resolve("this_process:B")) == (1, 2)
        assert resolve("this_process:A") == 1
        with pytest.raises(AttributeError, match="B was defined"):
            resolve("this_process:B")


def test_other_object_of_a_name_is_refused_while_a_study_is_at_work() -> None:
    with live_objects({"A": LiveObject(1, "a")}):
        with pytest.raises(LiveConflict), live_objects({"A": LiveObject(2, "b")}):
            pass
        assert resolve("this_process:A") == 1


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ("x", "x", False),
        ("# times the width", "# other words", False),
        ("WIDTH = 8", "WIDTH = 9", True),
        ("x * WIDTH", "x + WIDTH", True),
        ("return Layer()", "return Layer().eval()", True),
        ("depth = 1", "depth = 2", True),
        ("def factory(scale=1)", "def factory(scale=2)", True),
        ("import torch\n", "import torch\nunused = 3\n", False),
    ],
)
def test_digest_changes_with_the_code_that_an_object_uses(
    cell: Callable[[str], dict[str, Any]], old: str, new: str, changes: bool
) -> None:
    first, second = cell(CELL)["factory"], cell(CELL.replace(old, new))["factory"]
    assert (object_digest(first) != object_digest(second)) is changes


def test_digest_of_an_instance_counts_its_values(cell: Callable[[str], dict[str, Any]]) -> None:
    text = "class Task:\n    def __init__(self, size):\n        self.size = size\n"
    make = cell(text)["Task"]
    assert object_digest(make(3)) == object_digest(make(3)) != object_digest(make(4))


def test_digest_of_a_network_counts_weights_and_layers() -> None:
    torch.manual_seed(0)
    first, second = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    assert object_digest(first) != object_digest(second)
    second.load_state_dict(first.state_dict())
    assert object_digest(first) == object_digest(second)
    assert object_digest(torch.nn.ReLU()) != object_digest(torch.nn.GELU())


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (np.arange(3), np.arange(4)),
        (np.zeros(2), np.zeros(2, "float32")),
        (np.array(["a", 1], object), np.array(["a", 2], object)),
        (torch.zeros(2, dtype=torch.bfloat16), torch.ones(2, dtype=torch.bfloat16)),
        ({"a": 1}, {"a": 2}),
        ([1, 2], (1, 2)),
        ({1, 2}, {1, 3}),
        (Path("a"), Path("b")),
    ],
)
def test_digest_of_values_counts_type_and_content(first: Any, second: Any) -> None:
    assert object_digest(first) != object_digest(second)


def test_object_that_holds_itself_has_a_digest() -> None:
    value: list[Any] = [1]
    value.append(value)
    assert object_digest(value)


def test_object_without_source_needs_a_version() -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec("def make():\n    return 1\n\ndef versioned():\n    return 1\n", namespace)
    with pytest.raises(NoSource, match="make"):
        object_digest(namespace["make"])
    versioned = namespace["versioned"]
    versioned.version = 1
    before = object_digest(versioned)
    versioned.version = 2
    assert object_digest(versioned) != before
