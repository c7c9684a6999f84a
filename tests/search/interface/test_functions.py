"""Functions that need no study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import nn

import paretune
from paretune.search.interface.functions import _shape_text, data_text, named


class Net(nn.Module):
    """A network of this module."""


def message(function: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(paretune.UserError) as error:
        function(*arguments, **options)
    return str(error.value)


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ((3, 32, 32), "3,32,32"),
        ("128,8000", "128,8000"),
        (13, "13"),
        ((2, 128), "2x128"),
        ([(3, 8, 8), 13], "3x8x8 13"),
        ({"image": (3, 8, 8), "meta": 13}, "image=3x8x8 meta=13"),
        ({"ids": "int64:16:1000"}, "ids=int64:16:1000"),
    ],
)
def test_shape_is_that_of_the_command_line(shape: Any, text: str) -> None:
    assert _shape_text(shape) == text


def test_shape_that_is_none_is_refused() -> None:
    assert message(_shape_text, 2.5).startswith("shape: give the sizes of one input")
    assert message(_shape_text, ()).startswith("shape: give the sizes of one input")


def test_profile_needs_a_shape() -> None:
    assert message(paretune.profile, Net) == (
        "profile: give the shape of one input, too: shape=(3, 32, 32)"
    )


def test_catalogue_lists_names_and_refuses_other_kinds() -> None:
    assert "onnxruntime" in [entry["name"] for entry in paretune.catalogue("runtimes")]
    assert message(paretune.catalogue, "runtime").startswith(
        'there is no list "runtime"; did you mean "runtimes"?'
    )


def test_verify_of_a_folder_without_manifest_is_refused(tmp_path: Path) -> None:
    assert "manifest" in message(paretune.verify, tmp_path)


def test_data_of_init_is_a_text_a_path_or_a_mapping() -> None:
    assert data_text(None) is None and data_text("digits") == "digits"
    assert data_text(Path("photos")) == "photos"
    assert data_text({"npz": "a.npz"}) == '{"npz": "a.npz"}'
    assert named("model", {"resnet": {"width": 8}}) == '{"resnet": {"width": 8}}'
    text = message(data_text, [1, 2])
    assert text.startswith("data: give a text such as images:photos or npz:FILE, not a list")


def test_class_of_a_module_is_named_and_one_of_this_process_is_refused() -> None:
    assert named("model", Net) == f"{Net.__module__}:Net"
    assert named("model", "torchvision:resnet18") == "torchvision:resnet18"
    assert named("task", None) is None

    class Local(nn.Module):
        pass

    assert message(named, "model", Local).startswith("model: Local is not defined in a module file")


@pytest.mark.slow
def test_network_of_this_process_is_profiled(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 10))
    profile = paretune.profile(net, shape=(3, 4, 4), folder=tmp_path / "profile")
    numbers = {m.name: m.value for m in profile.profile.numbers}
    assert numbers["parameters"] == 490
    assert "by layer, slowest first" in str(profile)
    assert (tmp_path / "profile" / "profile.json").is_file()
