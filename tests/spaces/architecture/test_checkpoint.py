"""Weights from files: fitting weights are loaded, and nothing that could run code."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from paretune.spaces.architecture.checkpoint import load_checkpoint, load_weights
from paretune.spaces.architecture.network import build_network

SHAPE, CLASSES = (1, 8, 8), 3


def network(seed: int = 0, classes: int = CLASSES, width: float = 0.125) -> nn.Module:
    return build_network({"simple_cnn": {"width": width}}, SHAPE, classes, seed)


def saved(weights: Any, file: Path) -> Path:
    if file.suffix == ".safetensors":
        save_file(weights, file)
    else:
        torch.save(weights, file)
    return file


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.write_text, (self.file, "it ran"))


@pytest.mark.parametrize("name", ["net.safetensors", "net.pt", "net.pth"])
def test_network_computes_the_same_as_the_saved_one_after_load_weights(
    tmp_path: Path, name: str
) -> None:
    source, target = network(seed=1), network(seed=2)
    images = torch.rand(4, *SHAPE)
    assert not torch.equal(source(images), target(images))
    load_weights(target, saved(source.state_dict(), tmp_path / name))
    assert torch.equal(source(images), target(images))


# -- weights that do not fit --------------------------------------------------------------------


def test_error_lists_the_shapes_that_differ_when_the_head_is_another(tmp_path: Path) -> None:
    file = saved(network(classes=5).state_dict(), tmp_path / "net.pt")
    reason = r"does not fit the architecture: shape: 9\.weight \[5, 32\] for \[3, 32\], 9\.bias"
    with pytest.raises(ValueError, match=reason):
        load_weights(network(), file)


def test_error_lists_only_three_shapes_when_all_differ(tmp_path: Path) -> None:
    file = saved(network(width=0.25).state_dict(), tmp_path / "net.safetensors")
    with pytest.raises(ValueError, match=r"shape: ([^,]+(, \d+)*\] for [^;]+), \.\.\.$"):
        load_weights(network(), file)


def test_error_lists_missing_and_surplus_names_when_the_network_is_another(
    tmp_path: Path,
) -> None:
    weights = network().state_dict()
    weights["10.weight"] = weights.pop("9.weight")
    file = saved(weights, tmp_path / "net.pt")
    with pytest.raises(ValueError, match=r"missing: 9\.weight; not in the model: 10\.weight$"):
        load_weights(network(), file)


def test_network_keeps_its_weights_when_the_checkpoint_does_not_fit(tmp_path: Path) -> None:
    target = network()
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    file = saved(network(seed=1, classes=5).state_dict(), tmp_path / "net.pt")
    with pytest.raises(ValueError, match="does not fit"):
        load_weights(target, file)
    assert all(torch.equal(target.state_dict()[name], before[name]) for name in before)


# -- files that cannot be read ------------------------------------------------------------------


def test_missing_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"checkpoint .*net\.pt: there is no such file"):
        load_checkpoint(tmp_path / "net.pt")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ([1, 2], "a list"),
        ({"epoch": 3}, "numbers"),
        (torch.zeros(2), "a tensor"),
        ({"state_dict": {"a": "text"}}, "texts"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_checkpoint_without_a_state_dict_is_refused(
    tmp_path: Path, content: Any, name: str
) -> None:
    file = saved(content, tmp_path / "net.pt")
    with pytest.raises(ValueError, match="holds no state dict"):
        load_checkpoint(file)


def test_checkpoint_with_python_objects_is_refused_and_runs_no_code(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    for index, content in enumerate((Evil(trace), {"weight": torch.zeros(1), "evil": Evil(trace)})):
        file = tmp_path / f"{index}.pt"
        torch.save(content, file)
        with pytest.raises(
            ValueError, match=r"Python objects other than tensors.*they can run code"
        ):
            load_checkpoint(file)
        file.write_bytes(pickle.dumps(content, protocol=2))
        with pytest.raises(ValueError, match="Python objects other than tensors"):
            load_checkpoint(file)
    assert not trace.exists()


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".pth"])
@pytest.mark.parametrize("keep", [0, 1, 100, -1, -100])
def test_truncated_checkpoint_is_refused(tmp_path: Path, suffix: str, keep: int) -> None:
    file = saved(network().state_dict(), tmp_path / f"net{suffix}")
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"(cannot be read: .)|(is damaged, or)|(is empty)"):
        load_checkpoint(file)


@pytest.mark.slow
@settings(deadline=None, max_examples=150)
@given(st.one_of(st.binary(max_size=60), st.sampled_from([b".", b"0", b"K\x01.", b"\x80\x02."])))
def test_checkpoint_of_random_bytes_is_refused_with_an_error_text(content: bytes) -> None:
    import tempfile

    for suffix in (".pt", ".safetensors"):
        with tempfile.NamedTemporaryFile(suffix=suffix) as file:
            file.write(content)
            file.flush()
            with pytest.raises(ValueError, match=r"^checkpoint .*"):
                load_checkpoint(file.name)
