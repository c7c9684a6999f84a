"""What each layer of a network costs for one input: counted, not timed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paretune.objectives.forward_counts import flop_counter
from paretune.objectives.inputs import Shape, example
from paretune.objectives.profiling.base import LayerCosts

if TYPE_CHECKING:
    import torch

LOOKUPS = frozenset({"embedding", "embedding_bag"})
"""Functions that read no more of their table than what they give."""


@dataclass
class _Count:
    """What was seen of a module so far."""

    macs: int = 0
    activations: int = 0
    traffic: int = 0
    calls: int = 0
    output: tuple[int, ...] = ()


def layer_costs(model: torch.nn.Module, shape: Shape) -> tuple[LayerCosts, ...]:
    """The layers in the order in which they run, from one forward pass.

    Multiply-adds are those of the objective `macs`, parameters those of `parameters`: their sums
    are the same. A module that only calls others is no layer; one that computes between them is.

    Args:
        model: On the CPU.
        shape: Of one input.
    """
    import torch

    from paretune.objectives.profiling.function_calls import CallWatcher, tensors

    counts: dict[str, _Count] = {}
    begun: list[list[int]] = []

    def entered(path: str, begins: bool) -> None:
        total = int(counter.get_total_flops()) // 2
        if begins:
            counts.setdefault(path, _Count()).calls += 1
            begun.append([total, 0])
            return
        before, inside = begun.pop()
        counts[path].macs += total - before - inside
        if begun:
            begun[-1][1] += total - before

    def watch(path: str, name: str, run: Any, arguments: tuple[Any, ...]) -> Any:
        result = run()
        count = counts.setdefault(path, _Count())
        given = [*tensors(arguments)]
        made = [*tensors(result)]
        if _works(name, given, made):
            count.activations += sum(t.numel() for t in made)
            count.traffic += _bytes(made) + (_bytes(made) if name in LOOKUPS else _bytes(given))
        if made and made[0].ndim:
            count.output = tuple(made[0].shape[1:])
        return result

    inputs = example(shape)
    with flop_counter() as counter, torch.enable_grad():
        watching = CallWatcher(model.eval(), watch, entered)
        with watching.hooked(), watching:
            model(inputs)
    return tuple(_layers(model, counts))


def _layers(model: torch.nn.Module, counts: dict[str, _Count]) -> Iterable[LayerCosts]:
    modules = dict(model.named_modules())
    seen: set[int] = set()
    own: dict[str, int] = {}
    for path, module in modules.items():
        parameters = [p for p in module.parameters(recurse=False) if id(p) not in seen]
        seen |= {id(p) for p in parameters}
        own[path] = sum(p.numel() for p in parameters)
    for path in (*counts, *(path for path in modules if path not in counts)):
        count = counts.get(path, _Count())
        if not (own[path] or count.macs or count.traffic):
            continue
        yield LayerCosts(
            path,
            type(modules[path]).__name__,
            own[path],
            count.macs,
            count.activations,
            count.traffic,
            count.output,
            count.calls,
        )


def _works(name: str, given: list[torch.Tensor], made: list[torch.Tensor]) -> bool:
    """Whether a call computes something: it gives new numbers, or changes a tensor in place."""
    if not made or "dropout" in name:  # which leaves all as it is, outside of training
        return False
    if any(result is tensor for result in made for tensor in given):
        return True
    places = {tensor.untyped_storage().data_ptr() for tensor in given}
    return any(result.untyped_storage().data_ptr() not in places for result in made)


def _bytes(values: list[torch.Tensor]) -> int:
    """Bytes of tensors as they are read: an expanded one is read once."""
    return sum(min(t.numel() * t.element_size(), t.untyped_storage().nbytes()) for t in values)
