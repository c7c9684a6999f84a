"""Checks that a network is a function of each example: no noise, no memory, no mixing of a batch.

A network that is not has no accuracy of its own: its answers depend on chance, on earlier inputs,
or on which examples share a batch.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from paretune.search.building.agreement import difference, share_text, spread
from paretune.search.building.baked_values import value_lines
from paretune.search.building.forward_trace import (
    Call,
    first_difference,
    trace,
    trace_until_error,
)
from paretune.search.building.probe_inputs import ProbeInputs
from paretune.search.building.undisturbed import seed_all

SAME = 1e-3
"""Largest difference of two runs, as a share of the outputs' spread. Batches of another size add up
in another order, which changes outputs by about 1e-6."""


@dataclass(frozen=True)
class ModuleOutputs:
    """What a network computes for the probe inputs.

    Attributes:
        outputs: Batch -> outputs [B, classes]; batches that the network fails for are missing.
        scale: Spread of the outputs.
        faults: What is wrong with the network, in words.
        comparable: Whether it is worth comparing a file; not if the network is random.
    """

    outputs: dict[tuple[int, ...], np.ndarray] = field(default_factory=dict)
    scale: float = 1.0
    faults: tuple[str, ...] = ()
    comparable: bool = True


def module_outputs(model: torch.nn.Module, inputs: ProbeInputs) -> ModuleOutputs:
    """Runs a network on the probe inputs, and checks that it is a function of each example."""
    outputs: dict[tuple[int, ...], np.ndarray] = {}
    failures: dict[tuple[int, ...], str] = {}
    for batch in inputs.batches:
        seed_all(0)
        try:
            result = run(model, inputs.batch(batch))
        except Exception as error:  # whatever the user's code raises
            failures[batch] = f"{type(error).__name__}: {_first_line(error)}"
            continue
        if result.ndim == 2 and len(result) == len(batch):
            outputs[batch] = result
        else:
            wanted = f"[{len(batch)}, classes]"
            failures[batch] = f"its outputs have the shape {list(result.shape)}, not {wanted}"
    if failures:
        text = _failure_text(model, inputs, failures)
        return ModuleOutputs(outputs, faults=(text,), comparable=False)
    alone = np.concatenate([outputs[(i,)] for i in range(len(inputs.labels))])
    finite = np.isfinite(alone).all(axis=1)
    if not finite.any():
        return ModuleOutputs(outputs, faults=(_NOT_FINITE,), comparable=False)
    scale = spread(alone[finite])
    unstable = _noise(model, inputs, outputs, scale) or _memory(model, inputs, outputs, scale)
    if unstable:  # it looks like mixing, and no file can be compared
        return ModuleOutputs(outputs, scale, (unstable,), comparable=False)
    mixing = _mixing(model, inputs, outputs, scale)
    return ModuleOutputs(outputs, scale, (mixing,) if mixing else ())


_NOT_FINITE = "the outputs of the network are not finite for any of the examples"


def run(model: torch.nn.Module, inputs: torch.Tensor) -> np.ndarray:
    """Returns the outputs float32 [B, classes] of a network."""
    with torch.no_grad():
        outputs: np.ndarray = model(inputs).float().numpy()
    return outputs.copy()  # a network may return a tensor that it keeps


def _noise(
    model: torch.nn.Module,
    inputs: ProbeInputs,
    outputs: dict[tuple[int, ...], np.ndarray],
    scale: float,
) -> str:
    """Returns a text if two runs on the same batch differ."""
    batch = next(b for b in inputs.batches if len(b) > 1)
    results = []
    for seed in (1, 2):
        seed_all(seed)
        results.append(run(model, inputs.batch(batch)))
    apart = difference(results[0], results[1], scale)
    if apart <= SAME:
        return ""
    seed_all(1)
    if difference(results[0], run(model, inputs.batch(batch)), scale) > SAME:  # not by chance
        return _memory(model, inputs, outputs, scale) or _memory_text(apart, None)
    runs = []
    for seed in (1, 2):
        seed_all(seed)
        runs.append(trace(model, inputs.batch(batch)))
    return (
        "the network is random in evaluation mode: outputs for the same examples differ by "
        f"{share_text(apart)}{_at(first_difference(runs[0], runs[1]))}. What to change: draw "
        "random values only `if self.training:`, and write F.dropout(x, p, self.training)"
    )


def _memory(
    model: torch.nn.Module,
    inputs: ProbeInputs,
    outputs: dict[tuple[int, ...], np.ndarray],
    scale: float,
) -> str:
    """Returns a text if the outputs for an example change after other examples."""
    first = next(iter(inputs.batches))
    seed_all(0)
    apart = difference(outputs[first], run(model, inputs.batch(first)), scale)
    if apart <= SAME:
        return ""
    before = trace(model, inputs.batch(first))
    run(model, inputs.batch((1,)))
    return _memory_text(apart, first_difference(before, trace(model, inputs.batch(first))))


def _memory_text(apart: float, call: Call | None) -> str:
    return (
        "the network remembers earlier inputs: run again, the same examples give outputs that "
        f"differ by {share_text(apart)}{_at(call)}. What to change: compute the outputs "
        "from the input and the weights alone, and keep nothing in `self`"
    )


def _mixing(
    model: torch.nn.Module,
    inputs: ProbeInputs,
    outputs: dict[tuple[int, ...], np.ndarray],
    scale: float,
) -> str:
    """Returns a text if the outputs for an example depend on the others of its batch."""
    worst, mixed = 0.0, tuple[int, ...]()
    for batch, together in outputs.items():
        for row, i in enumerate(batch if len(batch) > 1 else ()):
            apart = difference(outputs[(i,)], together[row : row + 1], scale)
            if apart > worst:
                worst, mixed = apart, (i, *batch[:row], *batch[row + 1 :])
    if worst <= SAME:
        return ""
    together_calls = trace(model, inputs.batch(mixed))
    call = first_difference(together_calls, trace(model, inputs.batch(mixed[:1])), rows=1)
    return (
        "the outputs for an example depend on the other examples of its batch: alone, they differ "
        f"by {share_text(worst)}{_at(call)}{_read(call, value_lines(together_calls))}. Its "
        "accuracy would depend on the batch "
        "size. What to change: compute such a value for each example, for instance "
        "x.amax(dim=(1, 2, 3), keepdim=True) instead of x.max(); normalization needs running "
        "statistics"
    )


def _failure_text(
    model: torch.nn.Module, inputs: ProbeInputs, failures: dict[tuple[int, ...], str]
) -> str:
    batch, reason = next(iter(failures.items()))
    calls, _ = trace_until_error(model, inputs.batch(batch))
    squeezing = [call for call in calls if call.name == "squeeze"]
    if squeezing and len(batch) == 1:
        reason += (
            f". {squeezing[-1].where} also drops the dimension of a batch of 1. What to change: "
            "write x.flatten(1), or name the dimension: x.squeeze(-1)"
        )
    where = f", after {calls[-1].where}" if calls and not squeezing else ""
    return f"the network fails for {inputs.text(batch)}: {reason}{where}"


def _read(call: Call | None, values: list[str]) -> str:
    """Returns what the line of a call reads, or another line that reads a value."""
    if call is not None:
        same = [v for v in values if v.startswith(f"{call.where} ")]
        return f", which {same[0].removeprefix(f'{call.where} ')}" if same else ""
    return f"; {values[0]}" if values else ""


def _at(call: Call | None) -> str:
    return f"; they part at {call.where}" if call is not None else ""


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
