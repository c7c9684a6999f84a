"""Snapshot: the state of a training between two epochs, from which it continues unchanged.

Weights, optimizer state, running means, losses and random state are one tree of tensors and JSON
values. In a file the tensors are safetensors and the rest is in the header. Nothing is pickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

HEADER = "paretune_training"
"""Key of the JSON in a file's header."""


@dataclass(frozen=True)
class Snapshot:
    """The state of a training at the end of an epoch.

    Attributes:
        epoch: Number of finished epochs.
        seconds: Time that these epochs took.
        state: A tree of mappings, lists, tensors and JSON values.
        curve: {"epoch", "loss", "accuracy", "seconds"} of each epoch.
    """

    epoch: int
    seconds: float
    state: Mapping[str, Any]
    curve: tuple[Mapping[str, Any], ...] = ()

    def to_bytes(self) -> bytes:
        """Returns the content of a snapshot file.

        Raises:
            TypeError: The state contains a value that is neither tensor nor JSON.
        """
        from safetensors.torch import save

        tensors: dict[str, torch.Tensor] = {}
        tree = _to_json(self.state, "state", tensors)
        facts = {"epoch": self.epoch, "seconds": self.seconds, "curve": list(self.curve)}
        return save(tensors, metadata={HEADER: json.dumps({**facts, "state": tree})})

    @staticmethod
    def read(file: Path) -> Snapshot:
        """Returns the snapshot in a file.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file is damaged or no snapshot.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(file, framework="pt") as f:
                header = json.loads(f.metadata()[HEADER])
                tensors = {name: f.get_tensor(name) for name in f.keys()}  # noqa: SIM118
            state = _from_json(header["state"], tensors)
            return Snapshot(header["epoch"], header["seconds"], state, tuple(header["curve"]))
        except (SafetensorError, KeyError, TypeError) as error:
            raise ValueError(f"{file}: no snapshot of a training: {error}") from error


class Saver(Protocol):
    """Saves snapshots while a training runs, so that a lost training need not start again."""

    def is_due(self) -> bool:
        """Returns whether to save a snapshot after the epoch that has just ended."""

    def save(self, snapshot: Snapshot) -> None:
        """Saves a snapshot in place of the last one."""


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Returns the state of an optimizer, with copies of its tensors."""
    state = optimizer.state_dict()
    plain = [{k: v for k, v in group.items() if _is_plain(v)} for group in state["param_groups"]]
    return {"state": copy_tree(state["state"]), "groups": plain}


def restore_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Loads the state of `optimizer_state` into a new optimizer of the same parameters."""
    groups = optimizer.state_dict()["param_groups"]
    for group, plain in zip(groups, state["groups"], strict=True):
        group.update(plain)
    by_number = {int(number): values for number, values in state["state"].items()}
    optimizer.load_state_dict({"state": copy_tree(by_number), "param_groups": groups})


def random_state(device: str) -> dict[str, torch.Tensor]:
    """Returns the state of torch's generators of the CPU and of the device."""
    state = {"cpu": torch.get_rng_state()}
    if device.startswith("cuda"):
        state["cuda"] = torch.cuda.get_rng_state(device)
    elif device == "mps":
        state["mps"] = torch.mps.get_rng_state()
    return state


def restore_random(state: Mapping[str, torch.Tensor], device: str) -> None:
    """Sets torch's generators to the state of `random_state`."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and device.startswith("cuda"):
        torch.cuda.set_rng_state(state["cuda"], device)
    if "mps" in state and device == "mps":
        torch.mps.set_rng_state(state["mps"])


def tensors_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Returns parameters and buffers by name, including those outside the state dict."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


@torch.no_grad()
def restore_model(model: torch.nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Copies the tensors of a snapshot into a model of the same shape.

    Raises:
        ValueError: The tensors belong to another network.
    """
    tensors = tensors_of(model)
    if {n: t.shape for n, t in tensors.items()} != {n: t.shape for n, t in state.items()}:
        raise ValueError("the snapshot is of another network")
    for name, tensor in tensors.items():
        tensor.copy_(state[name])


def copy_tree(tree: Any) -> Any:
    """Returns a tree with copies of its tensors, on the CPU."""
    match tree:
        case torch.Tensor():
            return tree.detach().to("cpu", copy=True)
        case Mapping():
            return {key: copy_tree(value) for key, value in tree.items()}
        case list() | tuple():
            return [copy_tree(value) for value in tree]
        case _:
            return tree


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _to_json(tree: Any, path: str, tensors: dict[str, torch.Tensor]) -> Any:
    """Returns the tree as JSON; adds its tensors to `tensors` by their path."""
    match tree:
        case torch.Tensor():
            tensors[path] = tree.contiguous()
            return {"tensor": path}
        case Mapping():
            inner = {str(k): _to_json(v, f"{path}.{k}", tensors) for k, v in tree.items()}
            return {"mapping": inner}
        case list() | tuple():
            return [_to_json(value, f"{path}.{i}", tensors) for i, value in enumerate(tree)]
        case _ if _is_plain(tree):
            return tree
    raise TypeError(f"{path} is a {type(tree).__name__}; a snapshot holds tensors, numbers, text")


def _from_json(tree: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    match tree:
        case {"tensor": path}:
            return tensors[path]
        case {"mapping": inner}:
            return {key: _from_json(value, tensors) for key, value in inner.items()}
        case list():
            return [_from_json(value, tensors) for value in tree]
        case _:
            return tree
