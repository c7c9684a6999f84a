"""Counts the costs of each layer of a network for one input."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paretune.inputs import Shape, call, example
from paretune.objectives.forward_counts import flop_counter
from paretune.objectives.profiling.base import LayerCosts

if TYPE_CHECKING:
    import torch

LOOKUPS = frozenset({"embedding", "embedding_bag"})
"""Functions that read only those rows of their table that they return."""


@dataclass
class _Count:
    """Counts of a module until now."""

    macs: int = 0
    activations: int = 0
    traffic: int = 0
    calls: int = 0
    output: tuple[int, ...] = ()


def layer_costs(model: torch.nn.Module, shape: Shape) -> tuple[LayerCosts, ...]:
    """Returns the costs of the layers, in the order of one forward pass.

    Multiply-adds and parameters add up to the objectives `macs` and `parameters`. A module that
    only calls others is not a layer; one that also computes is.

    Args:
        model: On the CPU.
        shape: What it takes.
    """
    import torch

    from paretune.objectives.profiling.function_calls import CallWatcher, tensors

    counts: dict[str, _Count] = {}
    # For each running module: [multiply-adds when it began, multiply-adds of its submodules].
    stack: list[list[int]] = []

    def entered(path: str, begins: bool) -> None:
        total = int(counter.get_total_flops()) // 2
        if begins:
            counts.setdefault(path, _Count()).calls += 1
            stack.append([total, 0])
            return
        before, inside = stack.pop()
        counts[path].macs += total - before - inside
        if stack:
            stack[-1][1] += total - before

    def watch(path: str, name: str, run: Any, arguments: tuple[Any, ...]) -> Any:
        result = run()
        count = counts.setdefault(path, _Count())
        sources = [*tensors(arguments)]
        results = [*tensors(result)]
        if _computes(name, sources, results):
            read = results if name in LOOKUPS else sources
            count.activations += sum(t.numel() for t in results)
            count.traffic += _bytes(results) + _bytes(read)
        if results and results[0].ndim:
            count.output = tuple(results[0].shape[1:])
        return result

    inputs = example(shape)
    with flop_counter() as counter, torch.enable_grad():
        watcher = CallWatcher(model.eval(), watch, entered)
        with watcher.hooked(), watcher:
            call(model, inputs)
    return tuple(_layers(model, counts))


def _layers(model: torch.nn.Module, counts: dict[str, _Count]) -> Iterable[LayerCosts]:
    modules = dict(model.named_modules())
    seen: set[int] = set()
    parameter_counts: dict[str, int] = {}
    for path, module in modules.items():
        parameters = [p for p in module.parameters(recurse=False) if id(p) not in seen]
        seen |= {id(p) for p in parameters}
        parameter_counts[path] = sum(p.numel() for p in parameters)
    for path in (*counts, *(path for path in modules if path not in counts)):
        count = counts.get(path, _Count())
        if not (parameter_counts[path] or count.macs or count.traffic):
            continue
        yield LayerCosts(
            path,
            type(modules[path]).__name__,
            parameter_counts[path],
            count.macs,
            count.activations,
            count.traffic,
            count.output,
            count.calls,
        )


def _computes(name: str, sources: list[torch.Tensor], results: list[torch.Tensor]) -> bool:
    """Returns whether a call computes new values, or changes a tensor in place."""
    if not results or "dropout" in name:  # dropout has no effect in evaluation mode
        return False
    if any(result is source for result in results for source in sources):
        return True
    storages = {source.untyped_storage().data_ptr() for source in sources}
    return any(result.untyped_storage().data_ptr() not in storages for result in results)


def _bytes(values: list[torch.Tensor]) -> int:
    """Returns the bytes read from tensors; an expanded tensor is read once."""
    return sum(min(t.numel() * t.element_size(), t.untyped_storage().nbytes()) for t in values)
