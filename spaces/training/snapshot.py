"""Snapshot: a training between two epochs, with all that it needs to go on as if uninterrupted.

Weights, the optimizer's state, running means, losses and random state are a tree of tensors and
JSON; in a file the tensors are safetensors and the rest is the header. Nothing is pickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

HEADER = "paretune_training"
"""Key of the JSON in a file's header."""


@dataclass(frozen=True)
class Snapshot:
    """A training at the end of an epoch.

    Attributes:
        epoch: Epochs that are done.
        seconds: What they took.
        state: A tree of mappings, lists, tensors and JSON values.
        curve: {"epoch", "loss", "accuracy", "seconds"} of each epoch.
    """

    epoch: int
    seconds: float
    state: Mapping[str, Any]
    curve: tuple[Mapping[str, Any], ...] = ()

    def to_bytes(self) -> bytes:
        """The content of a file.

        Raises:
            TypeError: The state holds something that is neither tensor nor JSON.
        """
        from safetensors.torch import save

        tensors: dict[str, torch.Tensor] = {}
        tree = _outlined(self.state, "state", tensors)
        facts = {"epoch": self.epoch, "seconds": self.seconds, "curve": list(self.curve)}
        return save(tensors, metadata={HEADER: json.dumps({**facts, "state": tree})})

    @staticmethod
    def read(file: Path) -> Snapshot:
        """The snapshot that lies in a file.

        Raises:
            FileNotFoundError: There is none.
            ValueError: It is damaged, or no snapshot.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(file, framework="pt") as f:
                header = json.loads(f.metadata()[HEADER])
                tensors = {name: f.get_tensor(name) for name in f.keys()}  # noqa: SIM118
            state = _filled(header["state"], tensors)
            return Snapshot(header["epoch"], header["seconds"], state, tuple(header["curve"]))
        except (SafetensorError, KeyError, TypeError) as error:
            raise ValueError(f"{file}: no snapshot of a training: {error}") from error


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """What the steps so far have left in an optimizer; tensors are copies."""
    whole = optimizer.state_dict()
    plain = [{k: v for k, v in group.items() if _is_plain(v)} for group in whole["param_groups"]]
    return {"state": copy_tree(whole["state"]), "groups": plain}


def restore_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Brings a fresh optimizer over the same parameters to where another one was."""
    groups = optimizer.state_dict()["param_groups"]
    for group, plain in zip(groups, state["groups"], strict=True):
        group.update(plain)
    kept = {int(number): values for number, values in state["state"].items()}
    optimizer.load_state_dict({"state": copy_tree(kept), "param_groups": groups})


def random_state(device: str) -> dict[str, torch.Tensor]:
    """Of torch's generators: the processor's, and the device's."""
    state = {"cpu": torch.get_rng_state()}
    if device.startswith("cuda"):
        state["cuda"] = torch.cuda.get_rng_state(device)
    elif device == "mps":
        state["mps"] = torch.mps.get_rng_state()
    return state


def restore_random(state: Mapping[str, torch.Tensor], device: str) -> None:
    """Brings torch's generators to where they were."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and device.startswith("cuda"):
        torch.cuda.set_rng_state(state["cuda"], device)
    if "mps" in state and device == "mps":
        torch.mps.set_rng_state(state["mps"])


def tensors_of(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers by name, those included that no state dict holds."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


@torch.no_grad()
def restore_model(model: torch.nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Gives a model the weights that another of its kind had.

    Raises:
        ValueError: They are another network's.
    """
    own = tensors_of(model)
    if {n: t.shape for n, t in own.items()} != {n: t.shape for n, t in state.items()}:
        raise ValueError("the snapshot is of another network")
    for name, tensor in own.items():
        tensor.copy_(state[name])


def copy_tree(tree: Any) -> Any:
    """A tree with copies of its tensors, on the CPU."""
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


def _outlined(tree: Any, path: str, tensors: dict[str, torch.Tensor]) -> Any:
    """The tree as JSON, its tensors put aside by their path."""
    match tree:
        case torch.Tensor():
            tensors[path] = tree.contiguous()
            return {"tensor": path}
        case Mapping():
            inner = {str(k): _outlined(v, f"{path}.{k}", tensors) for k, v in tree.items()}
            return {"mapping": inner}
        case list() | tuple():
            return [_outlined(value, f"{path}.{i}", tensors) for i, value in enumerate(tree)]
        case _ if _is_plain(tree):
            return tree
    raise TypeError(f"{path} is a {type(tree).__name__}; a snapshot holds tensors, numbers, text")


def _filled(tree: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    match tree:
        case {"tensor": path}:
            return tensors[path]
        case {"mapping": inner}:
            return {key: _filled(value, tensors) for key, value in inner.items()}
        case list():
            return [_filled(value, tensors) for value in tree]
        case _:
            return tree
