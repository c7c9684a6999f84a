"""Networks as exporters take them: positional tensors in, a tensor or a tuple of tensors out.

A network with one input tensor and one output tensor is exported as it is. Any other one is
wrapped in a FlatModule.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from paretune.inputs import Shape, Signature, call, example, signature_of
from paretune.nests import Nest, form_of, leaves, named_leaves
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.base import OUTPUTS
from paretune.objectives.runtimes.varied_sizes import BATCH, follows_sizes

if TYPE_CHECKING:
    from collections.abc import Iterable

LOGITS = "logits"
"""Name of a single output."""


class FlatModule(nn.Module):
    """A network that takes positional tensors and returns a tuple of tensors.

    Args:
        network: Takes a tensor, a tuple or a dict; returns a nest of tensors.
        signature: Its inputs.
    """

    def __init__(self, network: nn.Module, signature: Signature) -> None:
        super().__init__()
        self.wrapped_network = network  # a name that `onnx_names` finds and no network has
        self._signature = signature

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Runs the network and returns the leaves of its outputs in order."""
        return tuple(leaves(call(self.wrapped_network, self._signature.nest(inputs))))


@dataclass(frozen=True)
class FlatNetwork:
    """A network ready to export.

    Attributes:
        module: The network itself, or a FlatModule around it.
        signature: Its inputs.
        examples: Inputs to trace it with, in order.
        outputs: Name of each output.
        form: Form of the outputs; None for a single tensor.
        axes: Axes of each output that vary, the batch included: {0: "batch", 2: "height"}.
    """

    module: nn.Module
    signature: Signature
    examples: tuple[torch.Tensor, ...]
    outputs: tuple[str, ...]
    form: Any
    axes: tuple[dict[int, str], ...]

    @property
    def is_wrapped(self) -> bool:
        """Whether the module is a FlatModule."""
        return isinstance(self.module, FlatModule)

    @property
    def info(self) -> dict[str, Any]:
        """The form of the outputs for `Artifact.info`; empty for a single tensor."""
        return {} if self.form is None else {OUTPUTS: self.form}

    @property
    def input_axes(self) -> tuple[dict[int, str], ...]:
        """Axes of each input that vary, the batch included."""
        return tuple(
            {0: BATCH, **{axis + 1: name for axis, name in each.dynamic}}
            for each in self.signature.inputs
        )


def flat_network(model: nn.Module, shape: Shape, batch: int = 1) -> FlatNetwork:
    """Returns a network ready to export. It runs the network once, or more with dynamic axes.

    Args:
        model: On the CPU, in evaluation mode; not changed.
        shape: What it takes.
        batch: Examples to trace it with.

    Raises:
        Unmeasurable: It returns something else than tensors with the batch first, or it fails for
            another size of an axis that is declared dynamic.
        Exception: Whatever the network raises.
    """
    signature = signature_of(shape)
    inputs = example(signature, batch)
    outputs = run_network(model, inputs)
    tensors = _tensors(outputs)
    form = None if isinstance(outputs, torch.Tensor) else form_of(outputs)
    names = (LOGITS,) if form is None else tuple(_legal_names(tensors, signature.names))
    shapes = {name: tuple(x.shape) for name, x in zip(names, tensors.values(), strict=True)}

    def shapes_for(sizes: Signature, count: int) -> dict[str, tuple[int, ...]]:
        varied = _tensors(run_network(model, example(sizes, count)))
        if varied.keys() != tensors.keys():
            raise Unmeasurable(
                f"the network returns {len(tensors)} tensors for a batch of {batch}, and "
                f"{len(varied)} for one of {count} with other sizes; return as many for any batch"
            )
        return {name: tuple(x.shape) for name, x in zip(names, varied.values(), strict=True)}

    axes = follows_sizes(signature, batch, shapes, shapes_for, check_batch=form is not None)
    wrapped = signature.form != "tensor" or form is not None
    module = FlatModule(model, signature).eval() if wrapped else model.eval()
    flat = signature.flat(inputs)
    return FlatNetwork(module, signature, flat, names, form, tuple(axes[name] for name in names))


def run_network(model: nn.Module, inputs: Nest) -> Nest:
    """Returns a network's outputs, without gradients and without use of torch's generator."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        return call(model.eval(), inputs)


def _tensors(outputs: Nest) -> dict[str, torch.Tensor]:
    """Returns name -> tensor of a network's outputs.

    Raises:
        Unmeasurable: One is no tensor, or there is none.
    """
    named = named_leaves(outputs)
    for name, value in named.items():
        if not isinstance(value, torch.Tensor):
            kind, where = type(value).__name__, f' as "{name}"' if name else ""
            hint = " (set use_cache to False in its configuration)" if "Cache" in kind else ""
            raise Unmeasurable(
                f"the network returns a {kind}{where}; return a tensor, or a tuple, list or dict "
                f"of tensors{hint}"
            )
    if not named:
        raise Unmeasurable("the network returns no tensor")
    return named


def _legal_names(names: Iterable[str], taken: Collection[str]) -> list[str]:
    """Returns a name in letters, digits and _ for each output, none of them taken."""
    legal: list[str] = []
    for name in names:
        text = re.sub(r"\W", "_", name)
        text = text if text[:1].isalpha() else f"output_{text}"
        while text in taken or text in legal:
            text += "_output"
        legal.append(text)
    return legal
