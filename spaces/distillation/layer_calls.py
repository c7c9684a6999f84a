"""Calls of the modules in a network during one pass, and the outputs of named calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from paretune.inputs import call
from paretune.nests import Nest
from paretune.spaces.base import InfeasibleCandidate


@dataclass(frozen=True)
class ModuleCall:
    """One call of a module in a pass.

    Attributes:
        name: Name of the module; "name#2" is its second call.
        kind: Name of the module's class.
        depth: Number of modules around it, without the network itself and plain Sequentials.
        leaf: Whether it contains no modules.
        shape: Shape of its output.
    """

    name: str
    kind: str
    depth: int
    leaf: bool
    shape: tuple[int, ...]


def module_calls(model: nn.Module, example: Nest) -> list[ModuleCall]:
    """Returns every call of a module with a tensor as its output, in the order in which they end.

    Hooks record the calls in one pass over an example.
    """
    maps = is_series_convolution(model)
    names = {module: name for name, module in model.named_modules()}
    modes = {module: module.training for module in names}
    running: list[nn.Module] = []
    counts: Counter[str] = Counter()
    calls: list[ModuleCall] = []

    def enter(module: nn.Module, _: Any) -> None:
        running.append(module)

    def leave(module: nn.Module, _: Any, output: Any) -> None:
        running.pop()
        name, result = names[module], features_of(output, maps)
        counts[name] += 1
        if name and result is not None:
            depth = sum(type(m) is not nn.Sequential for m in running[1:])
            leaf = next(module.children(), None) is None
            named = call_name(name, counts[name])
            calls.append(ModuleCall(named, type(module).__name__, depth, leaf, tuple(result.shape)))

    handles = [m.register_forward_pre_hook(enter) for m in names]
    handles += [m.register_forward_hook(leave) for m in names]
    try:
        with torch.no_grad():
            call(model.eval(), example)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes.items():
            module.training = mode
    return calls


class OutputTaps:
    """Hooks that keep the outputs of named layers in each pass, until `take` or `close`.

    Args:
        model: The network; its state dict stays unchanged.
        names: Layers, named as in `ModuleCall.name`.
    """

    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        self._names = names
        self._maps = is_series_convolution(model)
        self._outputs: dict[str, torch.Tensor] = {}
        self._counts: Counter[str] = Counter()
        modules = dict(model.named_modules())
        unique = dict.fromkeys(name.partition("#")[0] for name in names)
        self._handles = [modules[name].register_forward_hook(self._hook(name)) for name in unique]

    def _hook(self, name: str) -> Any:
        def keep(module: nn.Module, inputs: Any, output: Any) -> None:
            self._counts[name] += 1
            named = call_name(name, self._counts[name])
            result = features_of(output, self._maps)
            if named in self._names and result is not None:
                self._outputs[named] = result

        return keep

    def take(self) -> list[torch.Tensor]:
        """Returns the features of the last pass, in the order of the names, and drops them.

        Raises:
            InfeasibleCandidate: A layer did not run.
        """
        outputs, self._outputs, self._counts = self._outputs, {}, Counter()
        for name in self._names:
            if name not in outputs:
                raise InfeasibleCandidate(f"the layer {name} does not run in training")
        return [outputs[name] for name in self._names]

    def close(self) -> None:
        """Removes the hooks."""
        for handle in self._handles:
            handle.remove()
        self._outputs = {}


def call_name(name: str, number: int) -> str:
    """Returns the name of a module's call: the second one is "name#2"."""
    return name if number == 1 else f"{name}#{number}"


def is_series_convolution(model: nn.Module) -> bool:
    """Returns whether a network convolves series, so that its features are [B, C, T].

    In all other networks features with three axes are tokens [B, T, D].
    """
    modules = list(model.modules())
    others = (nn.Conv2d, nn.Embedding, nn.LayerNorm, nn.MultiheadAttention, nn.RNNBase)
    return any(isinstance(m, nn.Conv1d) for m in modules) and not any(
        isinstance(m, others) for m in modules
    )


def features_of(output: Any, maps: bool) -> torch.Tensor | None:
    """Returns a module's first output; with `maps`, [B, C, T] becomes a map [B, C, 1, T]."""
    features = first_tensor(output)
    if maps and features is not None and features.ndim == 3:
        return features.unsqueeze(2)
    return features


def first_tensor(output: Any) -> torch.Tensor | None:
    """Returns a module's first output; None if that is not a tensor of real numbers."""
    if isinstance(output, Mapping):
        output = next(iter(output.values()), None)
    elif isinstance(output, tuple | list):
        output = output[0] if output else None
    real = isinstance(output, torch.Tensor) and output.is_floating_point()
    return output if real else None
