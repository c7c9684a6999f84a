"""A network whose subnets share its weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from paretune.inputs import call
from paretune.nests import Nest
from paretune.spaces.base import Candidate
from paretune.spaces.elastic.arrangement import Arrangement
from paretune.spaces.elastic.cutting import cut_layers, prunable_layers
from paretune.spaces.elastic.resolutions import resized
from paretune.spaces.elastic.slices import (
    ElementNumbers,
    SizeName,
    Slice,
    plus,
    size_changes,
    sizes_of,
)
from paretune.spaces.elastic.space import RESOLUTION, Choice
from paretune.spaces.keeping import is_within
from paretune.spaces.pruning.blocks import PassThrough
from paretune.spaces.pruning.graph import unfrozen
from paretune.spaces.pruning.heads import remove_heads
from paretune.spaces.strides import correct_gradients

Tensors = dict[str, torch.Tensor]

Narrowing = tuple[dict[str, Slice], dict[SizeName, Any]]
"""Tensor -> its slice, and size -> its change, if some layers are narrower."""

COMPOSED = 256
"""Most widths of which the slices are kept; then all are made again."""


class SharedNetwork:
    """Runs subnets on slices of a network's own tensors, so that gradients reach them.

    A subnet computes what the network that is cut out computes. No copy of its weights is kept:
    each call slices them anew. Buffers are sliced copies, so statistics of a subnet's batches do
    not change those of the network.

    Args:
        model: The network; each call reads its present weights.
        candidate: The arranged candidate of this network; provides shape and outputs.
        arrangement: Order of its units and blocks.
        device: Device of the network and its inputs.
    """

    def __init__(
        self, model: nn.Module, candidate: Candidate, arrangement: Arrangement, device: str
    ) -> None:
        self._model = model
        self._candidate = candidate
        self._arrangement = arrangement
        self._device = device
        self._original = copy.deepcopy(model).cpu().eval()
        self._numbers = ElementNumbers(self._original)
        self._runner = copy.deepcopy(self._original)
        self._replace_attentions(self._runner)
        self._modules = dict(self._runner.named_modules())
        self._blocks = {name: self._modules[name] for name in arrangement.pairs}
        self._sizes = sizes_of(self._runner)
        self._slices, _ = self._cut({})
        self._narrow: dict[tuple[str, float], Narrowing] = {}
        self._runner.to(device)
        self._wrapped: dict[float, nn.Module] = {}
        self._composed: dict[tuple[float, ...], dict[str, Slice]] = {}
        self._set_widths: tuple[float, ...] = ()
        self._set_gone: frozenset[str] = frozenset()
        self._set({**arrangement.space.full, **_widths_only(arrangement.space.smallest)})
        # The workaround looks at the sizes of the narrowest network; it lasts as long as the stack.
        self._stack = ExitStack()
        self._stack.enter_context(correct_gradients(self._runner, device))

    def _narrowing(self, name: str, value: float) -> Narrowing:
        """Returns what changes if one part of the network is narrower; found when first used."""
        if (name, value) not in self._narrow:
            full = self._arrangement.space.full
            self._narrow[name, value] = self._cut(self._arrangement.units({**full, name: value}))
        return self._narrow[name, value]

    def _cut(self, staying: Mapping[str, int]) -> Narrowing:
        """Returns the slices of a copy that loses units, and the sizes that changed in it."""
        model = copy.deepcopy(self._original)
        if staying:
            with torch.enable_grad(), unfrozen(model):
                layers = prunable_layers(model, self._candidate.shape)
            self._numbers.fill(model)
            cut_layers(layers, self._arrangement.orders, staying)
        else:
            self._numbers.fill(model)
        self._replace_attentions(model)
        slices = {n: s.to(self._device) for n, s in self._numbers.slices(model).items()}
        return slices, size_changes(self._sizes, sizes_of(model))

    def _replace_attentions(self, model: nn.Module) -> None:
        """Gives each attention that may lose heads the form in which it can."""
        for name in self._arrangement.orders:
            if isinstance(model.get_submodule(name), nn.MultiheadAttention):
                remove_heads(model, name, [])

    # -- one subnet ------------------------------------------------------------------------------

    def run(self, choice: Choice, inputs: Nest, tensors: Tensors) -> Nest:
        """Returns the outputs of a subnet.

        Args:
            choice: A complete choice.
            inputs: Inputs of the full network, [B, ...].
            tensors: What `tensors` returned for this choice.
        """
        self._set(choice)
        runner = self._runner_for(choice)
        prefix = "" if runner is self._runner else "network."
        named = {f"{prefix}{name}": tensor for name, tensor in tensors.items()}
        return call(_Functional(runner, named), inputs)

    def tensors(self, choice: Choice) -> Tensors:
        """Returns the weights and buffers of a subnet; gradients of weights reach the network."""
        weights = dict(self._model.named_parameters())
        buffers = dict(self._model.named_buffers())
        tensors: Tensors = {}
        for name, part in self._composition(choice).items():
            source = weights.get(part.source)
            tensors[name] = (
                part.of(buffers[part.source]).clone() if source is None else part.of(source)
            )
        for name, buffer in buffers.items():
            if not buffer.is_floating_point():
                tensors[name] = buffer.clone()
        gone = self._arrangement.space.blocks_left_out(choice)
        return {name: tensor for name, tensor in tensors.items() if not is_within(name, gone)}

    def modules(self, choice: Choice) -> nn.Module:
        """Returns the network that runs a subnet, in its form; its modes decide how it runs.

        The modes are those of the last run until they are set; at first, those of evaluation.
        """
        self._set(choice)
        return self._runner

    def _set(self, choice: Choice) -> None:
        """Gives the modules the sizes of a subnet, and leaves its blocks out."""
        widths = self._widths_of(choice)
        if widths != self._set_widths:
            for (module, attribute), size in self._sizes_in(widths).items():
                setattr(self._modules[module], attribute, size)
            self._set_widths = widths
        gone = frozenset(self._arrangement.space.blocks_left_out(choice))
        if gone != self._set_gone:
            for name, block in self._blocks.items():
                parent, _, child = name.rpartition(".")
                instead = PassThrough(self._arrangement.pairs[name]) if name in gone else block
                setattr(self._modules[parent], child, instead)
            self._set_gone = gone

    def _widths_of(self, choice: Choice) -> tuple[float, ...]:
        return tuple(choice[name] for name in self._arrangement.counts)

    def _narrowings(self, widths: tuple[float, ...]) -> list[Narrowing]:
        """Returns what changes in each part of the network that is narrower."""
        full = self._arrangement.space.full
        named = zip(self._arrangement.counts, widths, strict=True)
        return [self._narrowing(name, value) for name, value in named if value != full[name]]

    def _sizes_in(self, widths: tuple[float, ...]) -> dict[SizeName, Any]:
        """Returns all sizes that any width so far changed, as they are in these widths."""
        narrowings = self._narrowings(widths)
        sizes = {key: self._sizes[key] for _, changed in self._narrow.values() for key in changed}
        for _, changed in narrowings:
            for key, change in changed.items():
                sizes[key] = plus(sizes[key], change)
        return sizes

    def _runner_for(self, choice: Choice) -> nn.Module:
        side, full = choice.get(RESOLUTION), self._arrangement.space.full.get(RESOLUTION)
        if side is None or side == full:
            return self._runner
        if side not in self._wrapped:
            self._wrapped[side] = resized(
                self._runner,
                self._candidate.shape,
                int(side),
                self._candidate.outputs.per == "pixel",
            )
        return self._wrapped[side]

    def _composition(self, choice: Choice) -> dict[str, Slice]:
        """Returns the slices of all tensors in a choice's widths."""
        widths = self._widths_of(choice)
        if widths not in self._composed:
            if len(self._composed) >= COMPOSED:
                self._composed.clear()
            narrow = [slices for slices, _ in self._narrowings(widths)]
            self._composed[widths] = {
                name: _common([part, *(slices[name] for slices in narrow)])
                for name, part in self._slices.items()
            }
        return self._composed[widths]


class _Functional:
    """A network with other tensors in place of its own; called as a network is."""

    def __init__(self, network: nn.Module, tensors: Tensors) -> None:
        self._network, self._tensors = network, tensors

    def __call__(self, *args: Any, **options: Any) -> Any:
        return functional_call(self._network, self._tensors, args, options)


def _widths_only(choice: Choice) -> Choice:
    return {name: value for name, value in choice.items() if name.startswith("width.")}


def _common(parts: list[Slice]) -> Slice:
    """Returns the slice of the positions that are in all of these slices of one tensor."""
    first, *others = parts
    index = list(first.index)
    for part in others:
        for dim, positions in enumerate(part.index):
            before = index[dim]
            if before is None or positions is None or before is positions:
                index[dim] = positions if before is None else before
            else:
                index[dim] = before[torch.isin(before, positions)]
    return Slice(first.source, tuple(index))
