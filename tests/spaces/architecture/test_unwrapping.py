"""Checkpoints as training scripts write them are unwrapped, with words on what was done."""

from __future__ import annotations

import argparse
import copy
import pathlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file, save_model
from torch import nn
from torch.optim.swa_utils import AveragedModel
from torchvision.models import VisionTransformer

from paretune.spaces.architecture.checkpoint import load_weights
from paretune.spaces.architecture.resizing import Resized
from support.small_networks import Renamed, Small, Tied, trained

Weights = dict[str, torch.Tensor]


def prefixed(prefix: str, weights: Weights) -> Weights:
    return {prefix + name: tensor for name, tensor in weights.items()}


def changed(weights: Weights) -> Weights:
    """Returns weights of the same shapes with other values."""
    return {k: v + 1 if v.is_floating_point() else v for k, v in weights.items()}


def stepped(network: nn.Module) -> dict[str, Any]:
    """Returns the state of an optimizer after one step."""
    network = copy.deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.rand(2, 1, 8, 8)).sum().backward()
    optimizer.step()
    return optimizer.state_dict()


WRAPPED: dict[str, tuple[Callable[[Weights], Any], list[str]]] = {
    "as it is": (lambda w: w, []),
    "state_dict": (lambda w: {"state_dict": w, "epoch": 3}, ["unwrapped state_dict"]),
    "model_state_dict": (
        lambda w: {"model_state_dict": w, "optimizer_state_dict": stepped(trained())},
        ["unwrapped model_state_dict"],
    ),
    "net": (lambda w: {"net": w, "acc": 0.5}, ["unwrapped net"]),
    "only ema": (lambda w: {"ema": w}, ["unwrapped ema"]),
    "any name": (lambda w: {"my_weights": w}, ["unwrapped my_weights"]),
    "nested": (lambda w: {"state_dict": {"model": w}}, ["unwrapped state_dict.model"]),
    "a list": (lambda w: [w], ["unwrapped item 0"]),
    "DataParallel": (
        lambda w: prefixed("module.", w),
        ["removed the prefix module. from 10 names"],
    ),
    "torch.compile": (
        lambda w: prefixed("_orig_mod.", w),
        ["removed the prefix _orig_mod. from 10 names"],
    ),
    "compiled DataParallel": (
        lambda w: prefixed("_orig_mod.module.", w),
        ["removed the prefix _orig_mod.module. from 10 names"],
    ),
    "Lightning": (
        lambda w: {"state_dict": prefixed("net.", w), "hyper_parameters": {"lr": 1.0}},
        ["unwrapped state_dict", "removed the prefix net. from 10 names"],
    ),
    "Lightning with loss and metrics": (
        lambda w: {
            "state_dict": {
                **prefixed("model.", w),
                "criterion.weight": torch.ones(3),
                "val_acc.tp": torch.ones(1),
            }
        },
        [
            "unwrapped state_dict",
            "removed the prefix model. from 10 names",
            "ignored criterion.weight, val_acc.tp: not part of the network",
        ],
    ),
    "DeepSpeed": (lambda w: {"module": w, "dp_world_size": 2}, ["unwrapped module"]),
    "a compiled part": (
        lambda w: {k.replace("stem.", "stem._orig_mod."): v for k, v in w.items()},
        ["removed _orig_mod. inside 7 names"],
    ),
    "a parallel part": (
        lambda w: {k.replace("stem.", "stem.module."): v for k, v in w.items()},
        ["removed module. inside 7 names"],
    ),
    "counters of thop": (
        lambda w: {**w, "total_ops": torch.zeros(1), "stem.0.total_params": torch.zeros(1)},
        ["ignored total_ops, stem.0.total_params: not part of the network"],
    ),
    "equal mean weights": (
        lambda w: {"model": w, "ema": copy.deepcopy(w)},
        ["unwrapped model", "ema holds equal weights"],
    ),
    "mean weights without names": (
        lambda w: {"model": w, "ema": {"decay": 0.9, "shadow_params": [torch.ones(2)]}},
        ["unwrapped model", "the file also holds ema, not used"],
    ),
    "one mapping for each part": (
        lambda w: (
            {
                part: {k.removeprefix(f"{part}."): v for k, v in w.items() if k.startswith(part)}
                for part in ("stem", "head")
            }
            | {"mask": w["mask"]}
        ),
        [],
    ),
    "parameters": (
        lambda w: {k: nn.Parameter(v) if v.is_floating_point() else v for k, v in w.items()},
        [],
    ),
    "without counts of batches": (
        lambda w: {k: v for k, v in w.items() if "num_batches" not in k},
        [],
    ),
    "with a buffer that is not stored": (
        lambda w: {**w, "positions": torch.arange(4)},
        ["ignored positions: not part of the network"],
    ),
    "double": (
        lambda w: {k: v.double() if v.is_floating_point() else v for k, v in w.items()},
        ["converted 9 tensors from float64 to float32"],
    ),
    "NumPy arrays": (lambda w: {k: v.numpy() for k, v in w.items()}, []),
    "NumPy numbers beside": (
        lambda w: {"state_dict": w, "best": np.float64(0.5), "curve": np.arange(3.0)},
        ["unwrapped state_dict"],
    ),
    "arguments of a script": (
        lambda w: {"state_dict": w, "args": argparse.Namespace(out=pathlib.Path("x"), lr=0.1)},
        ["unwrapped state_dict"],
    ),
}


@pytest.mark.parametrize("kind", WRAPPED)
def test_wrapped_weights_are_loaded_and_the_notes_say_how(tmp_path: Path, kind: str) -> None:
    source, target = trained(), Small()
    wrap, notes = WRAPPED[kind]
    torch.save(wrap(dict(source.state_dict())), tmp_path / "net.ckpt")

    assert load_weights(target, tmp_path / "net.ckpt") == notes

    for name, tensor in source.state_dict().items():
        if "num_batches" not in name:
            assert torch.equal(target.state_dict()[name], tensor), name


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("ending", [".pt", ".pth.tar", ".bin", ".ckpt", ""])
def test_file_is_read_by_its_content_whatever_its_ending(
    tmp_path: Path, ending: str, legacy: bool
) -> None:
    file, target = tmp_path / f"net{ending}", Small()
    torch.save(trained().state_dict(), file, _use_new_zipfile_serialization=not legacy)

    assert load_weights(target, file) == []
    assert torch.equal(target.head.weight, trained().head.weight)


def test_safetensors_are_read_under_any_ending(tmp_path: Path) -> None:
    target = Small()
    save_file(trained().state_dict(), tmp_path / "net.pt")
    load_weights(target, tmp_path / "net.pt")
    assert torch.equal(target.head.weight, trained().head.weight)


def test_mean_weights_of_torch_are_unwrapped(tmp_path: Path) -> None:
    mean = AveragedModel(trained())
    torch.save({"model": changed(trained().state_dict()), "swa": mean.state_dict()}, tmp_path / "s")
    target = Small()

    assert "ignored n_averaged: not part of the network" in load_weights(
        target, tmp_path / "s", "swa"
    )
    assert torch.equal(target.head.weight, trained().head.weight)


def test_half_precision_is_converted_and_said(tmp_path: Path) -> None:
    half = trained().half()
    torch.save(half.state_dict(), tmp_path / "net.pt")
    target = Small()

    assert load_weights(target, tmp_path / "net.pt") == [
        "converted 9 tensors from float16 to float32"
    ]
    assert torch.equal(target.head.weight, half.head.weight.float())
    assert target.head.weight.dtype == torch.float32


def test_weights_all_zero_are_said(tmp_path: Path) -> None:
    weights = {k: v if k == "mask" else v * 0 for k, v in trained().state_dict().items()}
    torch.save(weights, tmp_path / "net.pt")
    [note] = load_weights(Small(), tmp_path / "net.pt")
    assert note.startswith("all parameters are zero")


def test_tied_weights_of_safetensors_are_filled(tmp_path: Path) -> None:
    source, target = Tied(), Tied()
    save_model(source, str(tmp_path / "net.safetensors"))

    [note] = load_weights(target, tmp_path / "net.safetensors")

    assert "share their tensors with other names" in note
    assert torch.equal(target.second.weight, source.first.weight)
    assert target.second.weight is target.first.weight


@pytest.mark.parametrize("prefix", ["", "module."])
def test_names_of_an_older_version_are_translated_by_the_module(
    tmp_path: Path, prefix: str
) -> None:
    source, target = Renamed(), Renamed()
    weights = dict(source.state_dict())
    weights["gamma"] = weights.pop("scale") * 3
    torch.save(prefixed(prefix, weights), tmp_path / "old.pt")

    assert "load_state_dict translated names of an older version" in load_weights(
        target, tmp_path / "old.pt"
    )
    assert torch.equal(target.scale, weights["gamma"])


def test_weights_of_torchvision_s_older_transformers_are_translated(tmp_path: Path) -> None:
    """torchvision's blocks of transformers called their two layers linear_1 and linear_2."""
    source, target = (
        VisionTransformer(32, 16, 1, 1, 8, 16, num_classes=3).eval() for _ in range(2)
    )
    names = {".mlp.0.": ".mlp.linear_1.", ".mlp.3.": ".mlp.linear_2."}
    weights = {}
    for name, tensor in source.state_dict().items():
        for new, old in names.items():
            name = name.replace(new, old)
        weights[name] = tensor
    torch.save(weights, tmp_path / "vit.pt")

    load_weights(target, tmp_path / "vit.pt")

    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(target(images), source(images))


def test_weights_of_a_part_that_is_switched_off_are_ignored(tmp_path: Path) -> None:
    """As the auxiliary classifiers of torchvision's GoogLeNet; load_state_dict accepts them."""
    target = Small()
    target.register_module("aux", None)
    weights = {**trained().state_dict(), "aux.weight": torch.ones(2)}
    torch.save(weights, tmp_path / "net.pt")

    [note] = load_weights(target, tmp_path / "net.pt")

    assert note == "ignored aux.weight: not part of the network"
    assert torch.equal(target.head.weight, trained().head.weight)


def test_prefix_is_added_when_the_network_wraps_the_saved_one(tmp_path: Path) -> None:
    class Wrapper(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Small()

    torch.save(trained().state_dict(), tmp_path / "net.pt")
    target = Wrapper()

    assert load_weights(target, tmp_path / "net.pt") == ["added the prefix inner. to 10 names"]
    assert torch.equal(target.inner.head.weight, trained().head.weight)


def test_resizing_of_paretune_is_no_prefix_to_speak_of(tmp_path: Path) -> None:
    torch.save(prefixed("module.", trained().state_dict()), tmp_path / "net.pt")
    target = Resized(Small(), (8, 8), (4, 4))
    notes = load_weights(target, tmp_path / "net.pt")
    assert notes == ["removed the prefix module. from 10 names"]


# -- several sets of weights -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "keys"),
    [
        (lambda w: {"model": w, "ema": changed(w)}, ("model", "ema")),
        (
            lambda w: {"ema_state_dict": prefixed("module.", changed(w)), "state_dict": w},
            ("ema_state_dict.module", "state_dict"),
        ),
        (
            lambda w: {**prefixed("online_model.", w), **prefixed("ema_model.", changed(w))},
            ("online_model", "ema_model"),
        ),
    ],
)
def test_different_weights_that_all_fit_are_refused_until_a_key_picks_one(
    tmp_path: Path, content: Callable[[Weights], Any], keys: tuple[str, str]
) -> None:
    weights = dict(trained().state_dict())
    torch.save(content(weights), tmp_path / "net.pt")

    with pytest.raises(ValueError, match=r"checkpoint: \{file: net\.pt, key: ") as error:
        load_weights(Small(), tmp_path / "net.pt")

    assert all(key in str(error.value) for key in keys)
    heads = []
    for key in keys:
        target = Small()
        assert load_weights(target, tmp_path / "net.pt", key)[0] == f"read {key}"
        heads.append(target.head.weight.detach())
    assert torch.equal(heads[0], weights["head.weight"]) != torch.equal(
        heads[1], weights["head.weight"]
    )


def test_unknown_key_names_those_of_the_file(tmp_path: Path) -> None:
    torch.save({"model": trained().state_dict()}, tmp_path / "net.pt")
    with pytest.raises(ValueError, match='no weights under the key "ema"; it has model'):
        load_weights(Small(), tmp_path / "net.pt", "ema")


def test_part_of_a_bigger_network_is_refused_until_a_key_says_so(tmp_path: Path) -> None:
    weights = {**prefixed("body.", trained().state_dict()), "decoder.weight": torch.ones(2)}
    torch.save(weights, tmp_path / "net.pt")

    with pytest.raises(ValueError, match=r"decoder\.weight beside body.*key: body\}"):
        load_weights(Small(), tmp_path / "net.pt")
    assert load_weights(Small(), tmp_path / "net.pt", "body") == ["read body"]
