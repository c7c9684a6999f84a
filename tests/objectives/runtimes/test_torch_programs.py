"""Programs of torch.export: loading them unpickles nothing."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.torch import Torch
from paretune.objectives.runtimes.torch_programs import export_program, load_program, save_program


class Trap:
    """Unpickling it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (str(self.path), "w")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with weights."""
    path = tmp_path_factory.mktemp("program") / "net.pt2"
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 3))
    save_program(export_program(network, (1, 8, 8)).program, path)
    return path


def rewritten(source: Path, path: Path, change: Callable[[str, bytes], bytes]) -> Path:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return path


def test_pickled_weights_are_refused(program: Path, tmp_path: Path) -> None:
    trap = tmp_path / "unpickled"

    def change(name: str, content: bytes) -> bytes:
        if name.endswith("weights_config.json"):
            config = json.loads(content)
            next(iter(config["config"].values()))["use_pickle"] = True
            return json.dumps(config).encode()
        return pickle.dumps(Trap(trap)) if name.endswith("weight_0") else content

    path = rewritten(program, tmp_path / "net.pt2", change)
    with pytest.raises(Unmeasurable, match=r"net\.pt2 holds pickled objects .*: not loaded"):
        load_program(path)
    assert not trap.exists()


def test_pickled_constants_are_refused(program: Path, tmp_path: Path) -> None:
    trap = tmp_path / "unpickled"
    entry = {"path_name": "opaque_obj_0", "use_pickle": False, "is_param": False}

    def change(name: str, content: bytes) -> bytes:
        if name.endswith("constants_config.json"):
            return json.dumps({"config": {"x": {**entry, "tensor_meta": None}}}).encode()
        return content

    path = rewritten(program, tmp_path / "net.pt2", change)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("net/data/constants/opaque_obj_0", pickle.dumps(Trap(trap)))
    with pytest.raises(Unmeasurable, match=r"holds pickled objects .*constants"):
        load_program(path)
    assert not trap.exists()


def test_pickled_examples_are_refused(program: Path, tmp_path: Path) -> None:
    import torch

    trap = tmp_path / "unpickled"

    def change(name: str, content: bytes) -> bytes:
        if not name.endswith("sample_inputs/model.pt"):
            return content
        torch.save((Trap(trap),), tmp_path / "trap.pt")
        return (tmp_path / "trap.pt").read_bytes()

    path = rewritten(program, tmp_path / "net.pt2", change)
    with pytest.raises(Unmeasurable, match=r"torch\.export cannot load net\.pt2"):
        load_program(path)
    assert not trap.exists()


def test_pickled_weights_in_the_older_format_are_refused(program: Path, tmp_path: Path) -> None:
    path = rewritten(program, tmp_path / "net.pt2", lambda _, content: content)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("net/data/weights/model.pt", pickle.dumps(Trap(tmp_path / "unpickled")))
    with pytest.raises(Unmeasurable, match=r"holds pickled objects .*model\.pt"):
        load_program(path)


def test_error_lists_the_available_devices_when_one_is_missing(program: Path) -> None:
    import torch

    if torch.backends.mps.is_available():
        pytest.skip("this machine has mps")
    with pytest.raises(Unmeasurable, match=r'torch has no device "mps" here; it has: cpu'):
        Torch.load(program, Torch.Params(device="mps"))
