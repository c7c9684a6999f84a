"""The parts of a network that have one width or one depth each."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from paretune.inputs import Shape, call
from paretune.spaces.output_layers import typed_example

if TYPE_CHECKING:
    import torch


def stages_of(stages: Mapping[str, Hashable], limit: int) -> list[list[str]]:
    """Splits layers or blocks by stages; neighbouring stages are joined if there are too many.

    Args:
        stages: Dotted name -> its stage, in the network's order.
        limit: Largest number of parts.
    """
    parts = [list(part) for _, part in itertools.groupby(stages, stages.__getitem__)]
    return _joined(parts, limit)


def parts_of(stages: Mapping[str, Hashable], limit: int) -> list[list[str]]:
    """Splits layers by stages, or by their names if a network has few stages.

    If it has at most half of `limit`, as a transformer, parts of neighbouring layers of about the
    same number are made; layers whose names begin alike ("layers.3") stay together.

    Args:
        stages: As for `stages_of`.
        limit: Largest number of parts.
    """
    parts = [list(part) for _, part in itertools.groupby(stages, stages.__getitem__)]
    deepest = max((name.count(".") + 1 for name in stages), default=0)
    for depth in range(1, deepest + 1):
        if len(parts) > limit / 2:
            break
        begins = {name: name.split(".")[:depth] for name in stages}
        parts = [list(part) for _, part in itertools.groupby(stages, begins.__getitem__)]
    return _joined(parts, limit)


def _joined(parts: Sequence[Sequence[str]], limit: int) -> list[list[str]]:
    """Joins neighbouring parts to `limit` ones of about the same number of names."""
    if len(parts) <= limit:
        return [list(part) for part in parts]
    total = sum(len(part) for part in parts)
    joined: list[list[str]] = [[] for _ in range(limit)]
    done = 0
    for part in parts:
        joined[min(limit - 1, done * limit // total)] += part
        done += len(part)
    return [part for part in joined if part]


def sizes_of_outputs(
    model: torch.nn.Module, shape: Shape, names: Sequence[str]
) -> dict[str, tuple[int, ...]]:
    """Returns layer -> size of its output without batch and channels, in the network's order.

    Layers of a stage of a convolutional network have the same one. A layer that is not called, as
    `forward` reads its weight, has that of the layer before it.
    """
    order = {name: number for number, (name, _) in enumerate(model.named_modules())}
    recorded = _recorded_sizes(model, shape, names)
    sizes: dict[str, tuple[int, ...]] = {}
    size: tuple[int, ...] = ()
    for name in sorted(names, key=order.__getitem__):
        size = sizes[name] = recorded.get(name, size)
    return sizes


def _recorded_sizes(
    model: torch.nn.Module, shape: Shape, names: Sequence[str]
) -> dict[str, tuple[int, ...]]:
    import torch

    sizes: dict[str, tuple[int, ...]] = {}

    def recorder(name: str) -> Any:
        def record(module: Any, inputs: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple) else output  # an attention
            if isinstance(first, torch.Tensor):
                sizes[name] = tuple(first.shape[2:] if first.ndim == 4 else first.shape[1:-1])

        return record

    hooks = [model.get_submodule(name).register_forward_hook(recorder(name)) for name in names]
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # the fused kernel calls no inner modules
    try:
        with torch.no_grad():
            call(model, typed_example(model, shape))
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        for hook in hooks:
            hook.remove()
    return sizes
