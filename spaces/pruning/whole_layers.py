"""Layers that stay whole, because the network without some of their channels is not consistent.

A `forward` may count channels by a number, slice them, reshape them, or use a weight twice. The
dependency graph does not see all of this. So each layer is tried: a copy of the network with random
weights loses some of its units, and has to compute the same as the copy in which these units have
no effect. The result depends on the network's structure, not on its weights.
"""

from __future__ import annotations

import copy
import hashlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import nn

from paretune.spaces.inputs import Shape, random_example
from paretune.spaces.pruning.graph import channel_layers, trace, unfrozen
from paretune.spaces.pruning.heads import head_layers
from paretune.spaces.pruning.layer import PrunableLayer
from paretune.spaces.pruning.unit_copies import fold, mute, repeat, silence
from paretune.spaces.pruning.whole_reason import reason_of

TOLERANCE = {torch.float64: 1e-7, torch.float32: 1e-3}
"""Largest difference of the logits, as a share of the largest logit."""

BATCHES = (1, 3)

Mode = Literal["silent", "repeated"]
"""How units have no effect: they are zero, or they repeat units that stay.

Statistics over channels, as in a group normalization, change with zeros but not with repeats.
"""

_MODES: tuple[Mode, Mode] = ("silent", "repeated")

_known: dict[str, dict[str, str]] = {}


def whole_layers(model: nn.Module, shape: Shape, ignore: Sequence[str] = ()) -> dict[str, str]:
    """Returns name -> reason of each layer that cannot lose units.

    Args:
        model: The network, on the CPU; not changed.
        shape: Shape of one input.
        ignore: Names of modules that are not pruned; their layers are not tried.
    """
    key = _structure(model, shape, ignore)
    if key not in _known:
        _known[key] = _Trials(model, shape, ignore).whole()
    return dict(_known[key])


class _Trials:
    """Tries to cut layers of copies of a network."""

    def __init__(self, model: nn.Module, shape: Shape, ignore: Sequence[str]) -> None:
        self._ignore, self._shape = ignore, shape
        self._model = _randomized(model)
        self._batches = [random_example(shape, batch, seed=batch) for batch in BATCHES]
        if self._batches[0].is_floating_point():
            self._batches = [batch.double() for batch in self._batches]
        self._usable()

    def whole(self) -> dict[str, str]:
        """Returns name -> reason of each layer that stays whole."""
        with _exact(), unfrozen(self._model):
            graph, layers = self._layers(self._model)
            whole = {name: self._reason(None, e) for name, e in graph.unfollowed.items()}
            modes = {n: _first_mode(layer) for n, layer in layers.items() if layer.units > 1}
            accepted: dict[str, Mode] = {}
            pending = [list(modes)]
            while pending:
                chunk = pending.pop()
                problem = self._problem(accepted | {name: modes[name] for name in chunk})
                if problem is None:
                    accepted |= {name: modes[name] for name in chunk}
                elif len(chunk) > 1:
                    half = len(chunk) // 2
                    pending += [chunk[half:], chunk[:half]]
                else:
                    [name] = chunk
                    other = _MODES[modes[name] == "silent"]
                    if self._problem(accepted | {name: other}) is None:
                        accepted[name] = other
                    else:
                        whole[name] = self._reason(layers[name], problem)
        return whole

    def _reason(self, layer: PrunableLayer | None, problem: Exception) -> str:
        return reason_of(self._model, self._batches[0], layer, problem)

    def _usable(self) -> None:
        """Chooses the highest precision, and the batches, in which the network runs."""
        with _exact():
            try:
                self._outputs(self._model)
                return
            except Exception:
                self._model.float()
                if self._batches[0].is_floating_point():
                    self._batches = [batch.float() for batch in self._batches]
            try:
                self._outputs(self._model)
            except Exception:
                self._batches = self._batches[:1]

    def _layers(self, model: nn.Module) -> tuple[Any, dict[str, PrunableLayer]]:
        graph = trace(model, self._shape)
        layers = channel_layers(graph, self._ignore) + head_layers(model, self._ignore)
        return graph, {layer.name: layer for layer in layers}

    def _problem(self, modes: Mapping[str, Mode]) -> Exception | None:
        """Cuts layers of a copy; returns None if it computes what the uncut copy does."""
        if not modes:
            return None
        model = copy.deepcopy(self._model)
        try:
            _, layers = self._layers(model)
            units = {name: _units(layers[name], mode) for name, mode in modes.items()}
            with torch.no_grad():
                hooks = []
                for name, (removed, kept) in units.items():
                    if modes[name] == "silent":
                        silence(layers[name], removed)
                        hooks += mute(layers[name], removed)
                    else:
                        repeat(layers[name], removed, kept)
                expected = self._outputs(model)
                for hook in hooks:
                    hook.remove()
                for name, (removed, kept) in units.items():
                    if modes[name] == "repeated":
                        fold(layers[name], removed, kept)
            for name, (removed, _) in units.items():
                layers[name].cut(removed)
            return self._difference(expected, self._outputs(model))
        except Exception as error:  # any error of the network's own code, or of the graph
            return error

    def _outputs(self, model: nn.Module) -> list[torch.Tensor]:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return [model(batch) for batch in self._batches]

    @staticmethod
    def _difference(
        expected: Sequence[torch.Tensor], outputs: Sequence[torch.Tensor]
    ) -> Exception | None:
        for one, other in zip(expected, outputs, strict=True):
            scale = TOLERANCE[one.dtype] * float(one.abs().max())
            if one.shape != other.shape or not (one - other).abs().max() <= scale:
                return ArithmeticError("the network without the channels computes something else")
        return None


def _first_mode(layer: PrunableLayer) -> Mode:
    modules = [item.dep.target.module for item in layer.group or ()]
    return "repeated" if any(isinstance(m, nn.GroupNorm) for m in modules) else "silent"


def _units(layer: PrunableLayer, mode: Mode) -> tuple[list[int], list[int]]:
    """Returns units to remove, in all blocks, and for each the unit of its block that it repeats.

    An odd number of units goes if they are silent, so that a fixed divisor does not fit by chance.
    Of repeated units an equal number goes for each that stays, so that statistics are the same.
    """
    count = layer.units
    order = torch.randperm(
        count, generator=torch.Generator().manual_seed(zlib.crc32(layer.name.encode()))
    ).tolist()
    if mode == "silent":
        gone = max(1, count // 2 - (count // 2 + 1) % 2)
        removed, kept = order[:gone], order[:gone]
    else:
        copies = next(n for n in range(2, count + 1) if count % n == 0)
        if copies == count > 3:
            raise ArithmeticError("a prime number of channels cannot be halved")
        stay = count // copies
        removed, kept = order[stay:], [order[i % stay] for i in range(count - stay)]
    starts = [block * count for block in range(layer.blocks)]
    return [s + u for s in starts for u in removed], [s + u for s in starts for u in kept]


def _randomized(model: nn.Module) -> nn.Module:
    """Returns a copy in float64 with random weights, on which every channel has an effect."""
    twin = copy.deepcopy(model).eval().double()
    generator = torch.Generator().manual_seed(0)

    def noise(tensor: torch.Tensor) -> torch.Tensor:
        return torch.randn(tensor.shape, generator=generator, dtype=torch.float64)

    with torch.no_grad():
        for name, parameter in twin.named_parameters():
            if not parameter.is_floating_point():
                continue
            if parameter.ndim > 1:
                parameter.copy_(noise(parameter) * (2 / parameter[0].numel()) ** 0.5)
            else:
                center = 1.0 if name.rpartition(".")[2] == "weight" else 0.0
                parameter.copy_(center + 0.3 * noise(parameter))
        for name, buffer in twin.named_buffers():
            match name.rpartition(".")[2]:
                case "running_mean":
                    buffer.copy_(0.1 * noise(buffer))
                case "running_var":
                    buffer.copy_(1 + 0.3 * noise(buffer).tanh())
    return twin


@contextmanager
def _exact() -> Iterator[None]:
    """Switches fused attention off, which rounds in another way."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def _structure(model: nn.Module, shape: Shape, ignore: Sequence[str]) -> str:
    """Returns a digest of all that decides how channels are coupled: modules, sizes and code."""
    digest = hashlib.sha256(repr((shape, list(ignore))).encode())
    for name, module in model.named_modules():
        plain = {
            key: value
            for key, value in vars(module).items()
            if isinstance(value, bool | int | float | str | tuple | list | None)
        }
        code = getattr(type(module).forward, "__code__", None)
        parts = (code.co_code, code.co_consts, code.co_names) if code else ()
        digest.update(repr((name, type(module), plain, parts)).encode())
    first: dict[int, str] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        shared = first.setdefault(id(tensor), name)  # another name of the same weight
        digest.update(repr((name, tuple(tensor.shape), shared)).encode())
    return digest.hexdigest()
