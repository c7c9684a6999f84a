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

from paretune.inputs import Shape, call, random_example
from paretune.nests import Nest, mapped
from paretune.spaces.keeping import kept_part
from paretune.spaces.output_layers import float_outputs
from paretune.spaces.pruning.graph import channel_layers, fits_its_parts, trace
from paretune.spaces.pruning.group_balance import check_parts
from paretune.spaces.pruning.heads import head_layers
from paretune.spaces.pruning.layer import PrunableLayer
from paretune.spaces.pruning.sensitivity import partial_units
from paretune.spaces.pruning.unit_copies import fold, mute, repeat, silence
from paretune.spaces.pruning.whole_reason import reason_of
from paretune.spaces.seeding import seed_torch

TOLERANCE = {torch.float64: 1e-7, torch.float32: 1e-3}
"""Largest difference of an output, as a share of its largest value."""

BATCHES = (1, 3)

Outputs = list[list[torch.Tensor]]
"""The outputs of a network for each batch."""

Mode = Literal["silent", "repeated"]
"""How units have no effect: they are zero, or they repeat units that stay.

Statistics over channels, as in a group normalization, change with zeros but not with repeats.
"""

_MODES: tuple[Mode, Mode] = ("silent", "repeated")

_known: dict[str, dict[str, str]] = {}


def whole_layers(
    model: nn.Module, shape: Shape, ignore: Sequence[str] = (), kept: Sequence[str] = ()
) -> dict[str, str]:
    """Returns name -> reason of each layer that cannot lose units.

    Args:
        model: The network, on the CPU; not changed.
        shape: What the network takes.
        ignore: Names of modules that are not pruned; their layers are not tried.
        kept: Names of modules that lose neither outputs nor inputs; layers that share channels
            with them stay whole.
    """
    key = _structure(model, shape, [*ignore, "", *kept])
    if key not in _known:
        _known[key] = _Trials(model, shape, ignore, kept).whole()
    return dict(_known[key])


class _Trials:
    """Tries to cut layers of copies of a network."""

    def __init__(
        self, model: nn.Module, shape: Shape, ignore: Sequence[str], kept: Sequence[str]
    ) -> None:
        self._model, self._shape, self._ignore, self._kept = model, shape, ignore, kept
        self._coupled: dict[str, str] = {}  # layer -> reason, for those coupled to a kept module
        self._dtype = torch.float64
        self._sharing = _modules_that_share(model)
        examples = random_example(shape, max(BATCHES), seed=0)
        self._batches: list[Nest] = [_first(examples, batch) for batch in BATCHES]

    def whole(self) -> dict[str, str]:
        """Returns name -> reason of each layer that stays whole."""
        with _exact():
            if self._problem(None) is None and not self._unfollowed:
                return dict(self._coupled)
            self._choose_precision()
            return self._search() | self._coupled

    def _search(self) -> dict[str, str]:
        """Adds more and more layers to those that are cut; halves those that do not fit."""
        model = self._copy()
        _, layers = self._traced(model)

        def reason(layer: PrunableLayer | None, problem: Exception) -> str:
            return reason_of(model, self._converted(self._batches[0]), layer, problem)

        reasons = {name: reason(None, error) for name, error in self._unfollowed.items()}
        modes = {name: _first_mode(layer) for name, layer in layers.items()}
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
                    reasons[name] = reason(layers[name], problem)
        return reasons

    def _choose_precision(self) -> None:
        """Chooses the highest precision, and the batches, in which the network runs."""
        try:
            self._outputs(self._copy())
            return
        except Exception:
            self._dtype = torch.float32
        try:
            self._outputs(self._copy())
        except Exception:
            self._batches = self._batches[:1]

    def _copy(self) -> nn.Module:
        """Returns a copy with random weights, which take gradients."""
        model = _randomized(self._model).to(self._dtype)
        for parameter in model.parameters():
            parameter.requires_grad_(parameter.is_floating_point())
        return model

    def _traced(self, model: nn.Module) -> tuple[Any, dict[str, PrunableLayer]]:
        graph = trace(model, self._shape)
        layers = channel_layers(graph, self._ignore) + head_layers(model, self._ignore)
        self._unfollowed: dict[str, Exception] = graph.unfollowed
        self._coupled = {
            layer.name: reason for layer in layers if (reason := _kept_reason(layer, self._kept))
        }
        return graph, {layer.name: layer for layer in layers if layer.name not in self._coupled}

    def _problem(self, modes: Mapping[str, Mode] | None) -> Exception | None:
        """Cuts layers of a copy; returns None if it computes what the uncut copy does.

        Args:
            modes: Layer -> how its units have no effect; None for all layers.
        """
        self._unfollowed = {}
        try:
            model = self._copy()
            _, layers = self._traced(model)
            if modes is None:
                modes = {name: _first_mode(layer) for name, layer in layers.items()}
            chosen = []
            for name, mode in modes.items():
                if not fits_its_parts(layers[name]):
                    raise LookupError("the graph counts other channels than its weights have")
                touched = {module for module, _, _ in layers[name].touched}
                if touched & self._sharing:
                    raise ArithmeticError("a cut would give two modules a weight each")
                chosen.append((layers[name], mode, *_units(layers[name], mode)))
            expected = self._without_effect(model, chosen)
            for layer, _, removed, _ in chosen:
                layer.cut(removed)
            return self._difference(expected, self._outputs(model))
        except Exception as error:  # any error of the network's own code, or of the graph
            return error

    @torch.no_grad()
    def _without_effect(self, model: nn.Module, chosen: Sequence[Any]) -> Outputs:
        """Returns the outputs for each batch while the chosen units have no effect."""
        hooks = []
        for layer, mode, removed, kept in chosen:
            if mode == "silent":
                silence(layer, removed)
                hooks += mute(layer, removed)
            else:
                repeat(layer, removed, kept)
        outputs = self._outputs(model)
        for hook in hooks:
            hook.remove()
        for layer, mode, removed, kept in chosen:
            if mode == "repeated":
                fold(layer, removed, kept)
        return outputs

    def _outputs(self, model: nn.Module) -> Outputs:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            seed_torch(0)
            batches = [self._converted(batch) for batch in self._batches]
            return [float_outputs(call(model, batch)) for batch in batches]

    def _converted(self, batch: Nest) -> Nest:
        return mapped(batch, lambda x: x.to(self._dtype) if x.is_floating_point() else x)

    @staticmethod
    def _difference(expected: Outputs, outputs: Outputs) -> Exception | None:
        """Compares the outputs of each batch with those of the first examples of the largest."""
        error = ArithmeticError("the network without the channels computes something else")
        for tensors, same, batch in zip(outputs, expected, BATCHES, strict=False):
            if len(tensors) != len(same):
                return error
            for tensor, alike, largest in zip(tensors, same, expected[-1], strict=True):
                by_example = largest.ndim > 0 and len(largest) == BATCHES[-1]
                if not _equal(tensor, largest[:batch] if by_example else alike):
                    return error
        return None


def _equal(tensor: torch.Tensor, expected: torch.Tensor) -> bool:
    """Returns whether an output is as expected; infinite values (masks) must be the same."""
    if tensor.shape != expected.shape:
        return False
    finite = expected.isfinite()
    if not torch.equal(finite, tensor.isfinite()):
        return False
    if not bool(finite.all()):
        tensor, expected = tensor[finite], expected[finite]
    if not expected.numel():
        return True
    scale = TOLERANCE[expected.dtype] * float(expected.abs().max())
    return bool((expected - tensor).abs().max() <= scale)


def _first(examples: Nest, count: int) -> Nest:
    return mapped(examples, lambda x: x[:count])


def _kept_reason(layer: PrunableLayer, kept: Sequence[str]) -> str | None:
    """Returns why the layers that are kept stop a layer from losing units; None if they do not."""
    for name in layer.modules:
        if module := kept_part(name, kept):
            if kept_part(layer.name, kept):
                return "`keep` names it"
            return f"it shares channels with {module}, which `keep` names"
    return None


def _first_mode(layer: PrunableLayer) -> Mode:
    modules = [item.dep.target.module for item in layer.group or ()]
    return "repeated" if any(isinstance(m, nn.GroupNorm) for m in modules) else "silent"


def _units(layer: PrunableLayer, mode: Mode) -> tuple[list[int], list[int]]:
    """Returns units to remove, in all blocks, and for each the unit of its block that it repeats.

    An odd number of units goes if they are silent, so that a fixed divisor does not fit by chance.
    Of repeated units an equal number goes for each that stays, so that statistics are the same.

    Raises:
        ArithmeticError: The layer cannot lose any number of units.
    """
    check_parts(layer)
    count = layer.units
    if count == 1:
        return [], []
    generator = torch.Generator().manual_seed(zlib.crc32(layer.name.encode()))
    order, least = _order(layer, torch.randperm(count, generator=generator).tolist())
    if mode == "silent":
        most = (count - max(least, 1) + 1) // 2  # one unit stays
        gone = 1 + 2 * int(torch.randint(max(1, most), (), generator=generator))
        removed = kept = order[count - gone :]
    else:
        copies = next(n for n in range(2, count + 1) if count % n == 0)
        if copies == count > 3:
            raise ArithmeticError("a prime number of channels cannot be halved")
        stay = count // copies
        removed, kept = order[stay:], [order[i % stay] for i in range(count - stay)]
    starts = [block * count for block in range(layer.blocks)]
    return [s + u for s in starts for u in removed], [s + u for s in starts for u in kept]


def _order(layer: PrunableLayer, order: list[int]) -> tuple[list[int], int]:
    """Returns the units with those first that a weight with only some units needs, and how many."""
    needed: list[int] = []
    for units in partial_units(layer):
        if not units & set(needed):
            needed.append(next(unit for unit in order if unit in units))
    return needed + [unit for unit in order if unit not in needed], len(needed)


def _modules_that_share(model: nn.Module) -> set[str]:
    """Returns the names of different modules with the same weight."""
    owners: dict[int, set[str]] = {}
    for name, module in model.named_modules():
        for parameter in module.parameters(recurse=False):
            owners.setdefault(id(parameter), set()).add(name)
    return {name for names in owners.values() if len(names) > 1 for name in names}


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
