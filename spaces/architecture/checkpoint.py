"""Loads weights from a file, without unpickling anything that could run code."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts usually store the weights."""


def load_checkpoint(path: str | Path) -> dict[str, torch.Tensor]:
    """Reads the weights in a .safetensors file, or in a .pt/.pth file with weights_only=True.

    Raises:
        ValueError: The file does not exist, is damaged, holds more than tensors, or is of another
            kind.
    """
    import torch
    from safetensors.torch import load_file

    file = Path(path)
    if not file.is_file():
        raise ValueError(f"checkpoint {file}: there is no such file")
    if file.suffix not in (".safetensors", ".pt", ".pth"):
        raise ValueError(f"checkpoint {file}: give a .safetensors, .pt or .pth file")
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"checkpoint {file} is damaged, or holds Python objects other than tensors, which are "
            "not loaded because they can run code; save it again with "
            "torch.save(model.state_dict(), ...)"
        ) from error
    except Exception as error:  # torch's unpickler raises almost anything for a damaged file
        reason = str(error) or type(error).__name__
        raise ValueError(f"checkpoint {file} cannot be read: {reason}") from error
    return _state_dict(content, file)


def load_weights(network: torch.nn.Module, path: str | Path) -> None:
    """Loads a checkpoint into a network of the same shape.

    Raises:
        ValueError: As for `load_checkpoint`. Or names and shapes do not fit; the text lists the
            first few.
    """
    from paretune.spaces.architecture.resizing import Resized

    weights = load_checkpoint(path)
    if isinstance(network, Resized) and not any(name.startswith("network.") for name in weights):
        network = network.network  # the file has the weights of the network inside
    expected = network.state_dict()
    missing = [name for name in expected if name not in weights]
    surplus = [name for name in weights if name not in expected]
    shapes = [
        f"{name} {list(weights[name].shape)} for {list(expected[name].shape)}"
        for name in expected
        if name in weights and weights[name].shape != expected[name].shape
    ]
    problems = [
        f"{fault}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
        for fault, names in (("missing", missing), ("not in the model", surplus), ("shape", shapes))
        if names
    ]
    if problems:
        raise ValueError(f"checkpoint {path} does not fit the architecture: {'; '.join(problems)}")
    network.load_state_dict(weights)


def _state_dict(content: Any, file: Path) -> dict[str, torch.Tensor]:
    import torch

    for key in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(
        isinstance(value, torch.Tensor) for value in content.values()
    ):
        raise ValueError(f"checkpoint {file} holds no state dict (a mapping of names to tensors)")
    return dict(content)
