"""Loads the weights of a checkpoint into a network, and says in words what was unwrapped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from paretune.spaces.architecture.checkpoint_file import read_checkpoint

if TYPE_CHECKING:
    import torch

    from paretune.spaces.architecture.weight_names import Content, Fit


def load_checkpoint(path: str | Path) -> dict[str, torch.Tensor]:
    """Returns all tensors of a checkpoint by their names; keys of nested mappings are prefixes.

    Raises:
        ValueError: As for `read_checkpoint`. Or the file holds no tensors.
    """
    return _content(path).tensors


def load_weights(network: torch.nn.Module, path: str | Path, key: str | None = None) -> list[str]:
    """Loads a checkpoint into a network of the same layers; returns notes on what was done.

    The weights are the only ones in the file whose names and shapes fit the network completely,
    after one common prefix is removed or added. Mappings around them are unwrapped.

    Args:
        network: Freshly built; changed in place.
        path: The file.
        key: Keys to the weights inside the file, joined by dots ("ema", "state_dict.student").

    Raises:
        ValueError: As for `load_checkpoint`. Or names, shapes, types or values do not fit; or
            several different sets of weights fit, and `key` names none.
    """
    from paretune.spaces.architecture.weight_names import fits_of
    from paretune.spaces.architecture.weight_values import converted

    content = _content(path)
    try:
        part = content if key is None else content.under(key)
        fits = fits_of(part, network)
        fit = _only(fits)
        weights = {fit.added + name: tensor for name, tensor in fit.weights.items()}
        weights, notes = converted(weights, network)
    except ValueError as error:
        reason = str(error).replace("file: ...", f"file: {Path(path).name}")
        raise ValueError(f"checkpoint {path}: {reason}") from error
    fresh = network.state_dict()
    fresh.update(weights)  # keeps the versions of the modules, which describe these names
    network.load_state_dict(fresh)
    if type(network).__module__.startswith("paretune."):  # a wrapper of Paretune around the network
        fit = replace(fit, added=fit.added.removeprefix("network."))
    named = [f"read {key}"] if key is not None else []
    return [*named, *fit.notes(), *_others(fit, fits, part), *notes]


def _content(path: str | Path) -> Content:
    from paretune.spaces.architecture.weight_names import Content

    value = read_checkpoint(path)
    if isinstance(value, dict) and "param_groups" in value and "state" in value:
        raise ValueError(
            f"checkpoint {path} holds the state of an optimizer, not weights; save "
            "model.state_dict()"
        )
    content = Content(value)
    if not content.tensors:
        raise ValueError(f"checkpoint {path} holds no state dict (a mapping of names to tensors)")
    return content


def _only(fits: Sequence[Fit]) -> Fit:
    """Returns the first of several fits if their tensors are equal.

    Raises:
        ValueError: They differ; the text says how to pick one.
    """
    first = fits[0]
    for other in fits[1:]:
        if not _equal(first.weights, other.weights):
            keys = [fit.key or "the top of the file" for fit in fits]
            raise ValueError(
                f"several different weights fit: {', '.join(keys)}; pick one: "
                f"checkpoint: {{file: ..., key: {other.key or first.key}}}"
            )
    return first


def _equal(first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor]) -> bool:
    import torch

    return all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def _others(fit: Fit, fits: Sequence[Fit], content: Content) -> list[str]:
    """Returns a note on further tensors in the file, which are not used."""
    same = [other.key for other in fits[1:] if other.key]
    notes = [f"{', '.join(same)} holds equal weights"] if same else []
    top = fit.container.partition(".")[0]
    homes = dict.fromkeys(
        path.partition(".")[0] for path in content.containers.values() if top and path
    )
    unused = [home for home in homes if home not in (top, *(key.partition(".")[0] for key in same))]
    return notes + ([f"the file also holds {', '.join(unused)}, not used"] if unused else [])
