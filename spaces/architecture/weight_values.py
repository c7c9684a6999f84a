"""Checks and converts the tensors of a checkpoint for a network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import torch
from torch import nn

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def converted(
    weights: Mapping[str, torch.Tensor], network: nn.Module
) -> tuple[dict[str, torch.Tensor], list[str]]:
    """Returns a network's weights in the types of the network, and notes in words.

    Args:
        weights: Name -> tensor of the file, with the names and shapes of the network.
        network: The network as it was built; a buffer may be infinite where the network's is.

    Raises:
        ValueError: A tensor has a type that does not fit, or a value that is not finite; the text
            names the tensor, but not the file.
    """
    fresh = network.state_dict()
    parameters = {name for name, _ in network.named_parameters(remove_duplicate=False)}
    kinds: Counter[tuple[torch.dtype, torch.dtype]] = Counter()
    result = {}
    for name, tensor in weights.items():
        target = fresh[name]
        _check_type(name, tensor, target, name in parameters)
        result[name] = tensor.to(target.dtype)
        if tensor.dtype != target.dtype:
            kinds[(tensor.dtype, target.dtype)] += 1
            if not tensor.is_floating_point() and not torch.equal(
                result[name].to(tensor.dtype), tensor
            ):
                raise ValueError(f"{name} is {_name(tensor)}, the network's is {_name(target)}")
        _check_finite(name, tensor, result[name], None if name in parameters else target)
    _check_variances(result, network)
    notes = [
        f"converted {number} tensors from {_short(old)} to {_short(new)}"
        for (old, new), number in kinds.items()
        if old in FLOATS
    ]
    values = [result[name] for name in result if name in parameters]
    if values and not any(bool(value.any()) for value in values):
        notes.append("all parameters are zero: the outputs do not depend on the inputs")
    return result, notes


def _check_type(name: str, tensor: torch.Tensor, target: torch.Tensor, parameter: bool) -> None:
    """Refuses tensors that cannot be weights: sparse, quantized, complex, without values."""
    if tensor.layout != torch.strided:
        raise ValueError(f"{name} is sparse; save it dense, by {name}.to_dense()")
    if tensor.is_quantized:
        raise ValueError(f"{name} is quantized ({_name(tensor)}); give the float weights")
    if tensor.is_meta:
        raise ValueError(f"{name} has no values: it was saved from the device meta")
    fits = tensor.is_complex() == target.is_complex()
    if target.is_floating_point():
        fits &= tensor.dtype in FLOATS or not (parameter or tensor.is_floating_point())
    if not fits:
        raise ValueError(
            f"{name} is {_name(tensor)}, the network's is {_name(target)}; give the float weights"
        )
    if not target.is_floating_point() and tensor.is_floating_point() and bool((tensor % 1).any()):
        raise ValueError(f"{name} is {_name(tensor)}, the network's is {_name(target)}")


def _check_finite(
    name: str, tensor: torch.Tensor, value: torch.Tensor, fresh: torch.Tensor | None
) -> None:
    """Refuses NaN and infinity, except where a buffer of the fresh network has the same value."""
    if not (value.is_floating_point() or value.is_complex()):
        return
    wrong = ~value.isfinite()
    if fresh is not None:
        wrong &= ~((value == fresh) | (value.isnan() & fresh.isnan()))
    if not wrong.any():
        return
    index = tuple(wrong.nonzero()[0].tolist())
    first = tensor[index].item()
    at = f" at {list(index)}" if index else ""
    reason = "" if tensor[index].isfinite() else ", the first"
    words = f"{first:g}{at}" if reason else f"{first:g}{at} is too large for {_name(value)}"
    raise ValueError(
        f"{name} is not finite: {int(wrong.sum())} of {value.numel()} values{reason or ':'} {words}"
    )


def _check_variances(weights: Mapping[str, torch.Tensor], network: nn.Module) -> None:
    """Refuses negative variances in normalizations, whose square root would be NaN."""
    for path, module in network.named_modules():
        name = f"{path}.running_var" if path else "running_var"
        if not isinstance(module, nn.modules.batchnorm._NormBase) or name not in weights:
            continue
        negative = (weights[name] < 0).nonzero()
        if len(negative):
            index = negative[0].tolist()
            value = weights[name][tuple(index)].item()
            raise ValueError(f"{name} is negative at {index}: {value:g}; a variance cannot be")


def _name(tensor: torch.Tensor) -> str:
    return _short(tensor.dtype)


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
