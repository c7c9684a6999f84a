"""Checkpoints that do not hold the weights of a network are refused with what to do."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from paretune.spaces.architecture.checkpoint import load_weights
from support.small_networks import Small, trained

Weights = dict[str, torch.Tensor]


class Notes:
    """An object of a training script."""


def refusal(file: Path) -> str:
    with pytest.raises(ValueError) as error:
        load_weights(Small(), file)
    text = str(error.value)
    assert text.startswith(f"checkpoint {file}")
    return text


def with_value(name: str, index: tuple[int, ...], value: float) -> Callable[[Weights], Any]:
    def change(weights: Weights) -> Weights:
        tensor = weights[name].clone()
        tensor[index] = value
        return {**weights, name: tensor}

    return change


# -- values ------------------------------------------------------------------------------------

VALUES: list[tuple[Callable[[Weights], Any], str]] = [
    (
        with_value("head.weight", (1, 2), float("nan")),
        "head.weight is not finite: 1 of 12 values, the first nan at [1, 2]",
    ),
    (
        with_value("head.bias", (0,), float("-inf")),
        "head.bias is not finite: 1 of 3 values, the first -inf at [0]",
    ),
    (
        with_value("stem.1.running_mean", (3,), float("inf")),
        "stem.1.running_mean is not finite: 1 of 4 values, the first inf at [3]",
    ),
    (
        with_value("stem.1.running_var", (2,), -0.5),
        "stem.1.running_var is negative at [2]: -0.5; a variance cannot be",
    ),
    (
        with_value("mask", (1, 0), float("-inf")),
        "mask is not finite: 1 of 9 values, the first -inf at [1, 0]",
    ),
    (
        lambda w: {**w, "head.bias": w["head.bias"].double() * 1e300},
        "is too large for float32",
    ),
    (
        lambda w: {**w, "head.weight": w["head.weight"].to_sparse()},
        "head.weight is sparse; save it dense",
    ),
    (
        lambda w: {**w, "head.weight": w["head.weight"].to(torch.complex64)},
        "head.weight is complex64, the network's is float32",
    ),
    (
        lambda w: {**w, "head.weight": w["head.weight"].to(torch.int8)},
        "head.weight is int8, the network's is float32; give the float weights",
    ),
    (
        lambda w: {**w, "head.weight": w["head.weight"].to(torch.float8_e4m3fn)},
        "head.weight is float8_e4m3fn, the network's is float32",
    ),
    (
        lambda w: {**w, "head.weight": w["head.weight"].to("meta")},
        "head.weight has no values",
    ),
    (
        lambda w: {**w, "stem.1.num_batches_tracked": torch.tensor(1.5)},
        "stem.1.num_batches_tracked is float32, the network's is int64",
    ),
]


@pytest.mark.parametrize(("change", "text"), VALUES)
def test_tensor_that_is_no_weight_is_refused_by_its_name(
    tmp_path: Path, change: Callable[[Weights], Any], text: str
) -> None:
    torch.save({"state_dict": change(dict(trained().state_dict()))}, tmp_path / "net.pt")
    assert text in refusal(tmp_path / "net.pt")


def test_network_is_unchanged_when_a_value_is_refused(tmp_path: Path) -> None:
    target = Small()
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    weights = with_value("head.bias", (0,), float("nan"))(dict(trained().state_dict()))
    torch.save(weights, tmp_path / "net.pt")
    with pytest.raises(ValueError, match="not finite"):
        load_weights(target, tmp_path / "net.pt")
    assert all(torch.equal(target.state_dict()[name], before[name]) for name in before)


# -- names -------------------------------------------------------------------------------------

NAMES: list[tuple[Callable[[Weights], Any], str]] = [
    (
        lambda w: {k: v for k, v in w.items() if k != "mask"},
        "does not fit the architecture: missing: mask",
    ),
    (
        lambda w: {**w, "extra.weight": torch.ones(1)},
        "does not fit the architecture: not in the model: extra.weight",
    ),
    (
        lambda w: {**w, "positions": torch.arange(4) + 1},
        "not in the model: positions",
    ),
    (
        lambda w: {"state_dict": {f"model.{k}": v for k, v in w.items() if "bias" not in k}},
        "(under state_dict.model): missing: stem.0.bias, stem.1.bias, head.bias",
    ),
    (
        lambda w: Small(classes=5).state_dict(),
        "shape: head.weight [5, 4] for [3, 4], head.bias [5] for [3]",
    ),
    (
        lambda w: {
            **{k: v for k, v in w.items() if k != "head.weight"},
            "head.weight_orig": w["head.weight"],
            "head.weight_mask": w["head.weight"],
        },
        "prune.remove(module, 'weight')",
    ),
    (
        lambda w: {
            **{k: v for k, v in w.items() if k != "head.weight"},
            "head.parametrizations.weight.original0": torch.ones(3, 1),
            "head.parametrizations.weight.original1": w["head.weight"],
        },
        "a parametrization such as weight_norm: remove it before saving",
    ),
    (lambda w: {"epoch": 3}, "holds no state dict (a mapping of names to tensors)"),
    (
        lambda w: torch.optim.SGD(trained().parameters(), 0.1, 0.9).state_dict(),
        "holds the state of an optimizer, not weights",
    ),
]


@pytest.mark.parametrize(("change", "text"), NAMES)
def test_names_that_do_not_fit_are_listed(
    tmp_path: Path, change: Callable[[Weights], Any], text: str
) -> None:
    torch.save(change(dict(trained().state_dict())), tmp_path / "net.pt")
    assert text in refusal(tmp_path / "net.pt")


# -- pickled objects ---------------------------------------------------------------------------


def modules(network: nn.Module) -> dict[str, tuple[Any, str, str]]:
    small = ("support.small_networks", "Small")
    parallel = ("torch.nn.parallel.data_parallel", "DataParallel")
    return {
        "a model": (network, *small),
        "a model in a mapping": ({"epoch": 1, "model": network}, *small),
        "two levels": ({"best": {"net": network}}, *small),
        "a parallel model": (nn.DataParallel(network), *parallel),
    }


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("kind", modules(nn.Identity()))
def test_pickled_model_is_refused_with_three_lines_that_convert_it(
    tmp_path: Path, kind: str, legacy: bool
) -> None:
    source = trained()
    content, module, name = modules(source)[kind]
    file = tmp_path / "whole.pt"
    torch.save(content, file, _use_new_zipfile_serialization=not legacy)

    text = refusal(file)

    assert f"holds a pickled model of the class {module}.{name}" in text
    lines = [line[4:] for line in text.splitlines() if line.startswith("    ")]
    assert len(lines) == 3
    assert lines[0] == f"import torch; from {module} import {name}"
    exec("\n".join(lines), {})  # what the error tells to type works
    target = Small()
    load_weights(target, tmp_path / "whole-weights.pt")
    assert torch.equal(target.head.weight, source.head.weight)


def test_class_of_a_script_is_named_by_its_script(tmp_path: Path) -> None:
    network = nn.Linear(2, 2)
    cls = type("Net", (nn.Linear,), {"__module__": "__main__"})
    network.__class__ = cls
    import __main__

    __main__.Net = cls  # type: ignore[attr-defined]
    try:
        torch.save(network, tmp_path / "whole.pt")
    finally:
        del __main__.Net  # type: ignore[attr-defined]
    assert "import torch; from your_script import Net" in refusal(tmp_path / "whole.pt")


def test_other_object_beside_weights_is_refused_with_lines_that_convert_it(tmp_path: Path) -> None:
    torch.save({"config": Notes(), "weights": trained().state_dict()}, tmp_path / "net.pt")

    text = refusal(tmp_path / "net.pt")

    assert f"holds Python objects other than tensors ({__name__}.Notes)" in text
    lines = [line[4:] for line in text.splitlines() if line.startswith("    ")]
    exec("\n".join(lines), {})
    assert load_weights(Small(), tmp_path / "net-weights.pt") == []


# -- other files -------------------------------------------------------------------------------


def scripted(file: Path) -> None:
    torch.jit.save(torch.jit.script(trained()), str(file))


def exported(file: Path) -> None:
    program = torch.export.export(trained(), (torch.rand(2, 1, 8, 8),))
    torch.export.save(program, file)


def arrays(file: Path) -> None:
    with file.open("wb") as stream:
        np.savez(stream, **{k: v.numpy() for k, v in trained().state_dict().items()})


def index(file: Path) -> None:
    from safetensors.torch import save_file

    weights = trained().state_dict()
    names = {name: f"part-{i % 2}.safetensors" for i, name in enumerate(weights)}
    for part in set(names.values()):
        save_file({k: v for k, v in weights.items() if names[k] == part}, file.parent / part)
    file.write_text(json.dumps({"metadata": {}, "weight_map": names}))


@pytest.mark.parametrize(
    ("write", "text"),
    [
        (scripted, "is a TorchScript archive"),
        (exported, "is a program of torch.export"),
        (arrays, "is an archive of NumPy arrays"),
        (index, "is the index of weights in 2 files"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_file_that_can_be_converted_is_refused_with_the_lines(
    tmp_path: Path, write: Callable[[Path], None], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "net.pt")
    monkeypatch.chdir(tmp_path)

    refused = refusal(tmp_path / "net.pt")

    assert text in refused
    lines = [line[4:] for line in refused.splitlines() if line.startswith("    ")]
    exec("\n".join(lines), {})
    target = Small()
    load_weights(target, tmp_path / "net-weights.pt")
    assert torch.equal(target.head.weight, trained().head.weight)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "is empty (0 bytes)"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "type git lfs pull"),
        (b"<!DOCTYPE html>\n<html>404</html>", "is a web page"),
        (b"\n  <html>", "is a web page"),
        (b'{"error": "not found"}', "is a JSON file"),
        (b"\x89HDF\r\n\x1a\n", "is an HDF5 file"),
        (b"\x18\0\0\0TFL3....", "is a TensorFlow Lite model"),
        (b"\x08\x08\x12\x07pytorch", "is an ONNX model"),
        (b"\x1f\x8b\x08\0", "is compressed by gzip"),
        (b"\x93NUMPY\x01\0", "is a NumPy array"),
        (b"PK\x03\x04 and no more", "cannot be read: "),
        (b"weights", "damaged"),
    ],
)
def test_other_file_is_told_by_its_content(tmp_path: Path, content: bytes, text: str) -> None:
    (tmp_path / "net.pt").write_bytes(content)
    assert text in refusal(tmp_path / "net.pt")


def test_folder_is_refused(tmp_path: Path) -> None:
    assert "is a folder; give the file" in refusal(tmp_path)


def test_plain_pickle_is_refused_and_names_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "net.pkl").write_bytes(pickle.dumps({"w": np.ones(2)}))
    assert "numpy" in refusal(tmp_path / "net.pkl")
