"""Python objects in the sections of a study become plain data and dotted paths."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from paretune.search.errors import UserError
from paretune.search.interface.live_sections import LiveSections, importable_path
from support.small_networks import __name__ as networks_module


class Plates:
    """A task of this module."""


def make_net() -> nn.Module:
    return nn.Linear(2, 2)


def arrays() -> dict[str, np.ndarray]:
    return {"x_train": np.zeros((4, 2)), "y_train": np.zeros(4)}


HERE = Plates.__module__


def local_class() -> type:
    class Local:
        """A class that no module has."""

        def model(self) -> int:
            return 1

    return Local


def test_plain_values_stay_and_others_become_plain() -> None:
    sections = {
        "space": {"finetune": {"epochs": np.int64(3), "lr": (0.1, 0.2)}},
        "data": {"images": Path("photos")},
        "task": "segmentation",
        "constraints": ["size <= 1 MB"],
    }
    live = LiveSections(sections)
    assert live.data == {
        "space": {"finetune": {"epochs": 3, "lr": [0.1, 0.2]}},
        "data": {"images": "photos"},
        "task": "segmentation",
        "constraints": ["size <= 1 MB"],
    }
    assert live.objects == {}


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        ({"task": Plates}, {"task": f"{HERE}:Plates"}),
        ({"evaluate": arrays}, {"evaluate": f"{HERE}:arrays"}),
        ({"data": arrays}, {"data": {"python": f"{HERE}:arrays"}}),
        (
            {"data": {"python": arrays, "args": {"n": 3}}},
            {"data": {"python": f"{HERE}:arrays", "args": {"n": 3}}},
        ),
        ({"baseline": make_net}, {"baseline": {"architecture": {"python": f"{HERE}:make_net"}}}),
        (
            {"baseline": {"architecture": make_net, "checkpoint": "a.pt"}},
            {
                "baseline": {
                    "architecture": {"python": f"{HERE}:make_net"},
                    "checkpoint": "a.pt",
                }
            },
        ),
        (
            {"space": {"architecture": {"choice": [make_net, "resnet"]}}},
            {"space": {"architecture": {"choice": [{"python": f"{HERE}:make_net"}, "resnet"]}}},
        ),
        ({"objectives": {Plates: "minimize"}}, {"objectives": {f"{HERE}:Plates": "minimize"}}),
        (
            {"space": {"pruning": {"choice": ["none", Plates]}}},
            {"space": {"pruning": {"choice": ["none", f"{HERE}:Plates"]}}},
        ),
    ],
)
def test_class_or_function_of_a_module_becomes_its_path(
    sections: dict[str, Any], expected: dict[str, Any]
) -> None:
    live = LiveSections(sections)
    assert live.data == expected
    assert live.objects == {}


def test_object_of_this_process_gets_a_path_there_and_leads_back_to_it() -> None:
    local, task = local_class(), Plates()
    live = LiveSections({"task": task, "objectives": {local: "minimize"}})
    assert live.data == {
        "task": "this_process:Plates",
        "objectives": {"this_process:Local": "minimize"},
    }
    assert live.objects["Plates"].value() is task
    assert live.objects["Local"].value is local


def test_two_objects_of_one_name_get_different_paths() -> None:
    live = LiveSections({"objectives": {local_class(): "minimize", local_class(): "maximize"}})
    assert list(live.data["objectives"]) == ["this_process:Local", "this_process:Local_2"]


def test_one_object_in_two_sections_has_one_path() -> None:
    local = local_class()
    live = LiveSections({"task": local, "objectives": {local: "minimize"}})
    assert list(live.objects) == ["Local"]


def test_network_becomes_a_factory_of_copies() -> None:
    net = nn.Linear(2, 2)
    live = LiveSections({"baseline": {"architecture": net}})
    assert live.data == {"baseline": {"architecture": {"python": "this_process:Linear"}}}
    made = live.objects["Linear"].value()
    assert made is not net
    assert torch.equal(made.weight, net.weight)


@pytest.mark.parametrize(
    "data",
    [
        arrays(),
        {"train": (np.zeros((4, 2)), np.zeros(4)), "test": (np.zeros((4, 2)), np.zeros(4))},
        {"train": torch.utils.data.TensorDataset(torch.zeros(4, 2), torch.zeros(4))},
    ],
)
def test_arrays_and_datasets_become_a_function_that_returns_them(data: Any) -> None:
    live = LiveSections({"data": data})
    assert live.data == {"data": {"python": "this_process:arrays"}}
    assert live.objects["arrays"].value().keys() == data.keys()


def test_dataset_becomes_a_function_that_returns_it() -> None:
    data = torch.utils.data.TensorDataset(torch.zeros(4, 2), torch.zeros(4))
    live = LiveSections({"data": data})
    assert live.data == {"data": {"python": "this_process:TensorDataset"}}
    assert live.objects["TensorDataset"].value() is data


@pytest.mark.parametrize(
    ("sections", "text"),
    [
        ({"task": lambda: Plates()}, "task: a lambda has no name that trials can be stored with"),
        ({"data": lambda: arrays()}, "data: a lambda has no name"),
        ({"data": {"python": partial(arrays)}}, "data.python: give plain values, a class or a f"),
        ({"task": partial(Plates)}, "task: give the function itself, and its arguments beside it"),
        ({"space": {"finetune": {"epochs": {1, 2}}}}, "space.finetune.epochs: give plain values"),
        ({"space": {3: 1}}, "space: a key is a name, or a class of yours, not a int"),
        ({"search": {"seed": object()}}, "search.seed: give plain values, a class or a function"),
    ],
)
def test_value_that_cannot_be_part_of_a_study_is_refused(
    sections: dict[str, Any], text: str
) -> None:
    with pytest.raises(UserError) as error:
        LiveSections(sections)
    assert str(error.value).startswith(text)


def test_function_without_source_is_refused_with_what_to_type() -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec("def load():\n    return {}\n", namespace)
    with pytest.raises(UserError, match=r"the source of load cannot be read.*load.version = 1"):
        LiveSections({"data": namespace["load"]})
    namespace["load"].version = 1
    assert LiveSections({"data": namespace["load"]}).data == {
        "data": {"python": "this_process:load"}
    }


def test_importable_path_is_that_of_the_module_only() -> None:
    assert importable_path(Plates) == f"{HERE}:Plates"
    assert importable_path(local_class()) is None
    assert importable_path(lambda: 1) is None
    assert importable_path(3) is None
    assert networks_module == "support.small_networks"
