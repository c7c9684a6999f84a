"""Checks that a network is a function of each example: no noise, no memory, no mixing of a batch.

A network that is not has no accuracy of its own: its answers depend on chance, on earlier inputs,
or on which examples share a batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from paretune.search.building.agreement import (
    Flat,
    finite_rows,
    largest_difference,
    share_text,
    spreads,
)
from paretune.search.building.baked_values import value_lines
from paretune.search.building.forward_trace import (
    Call,
    first_difference,
    trace,
    trace_until_error,
)
from paretune.search.building.network_outputs import OutputsError, run
from paretune.search.building.probe_inputs import Batch, ProbeInputs
from paretune.search.building.undisturbed import seed_all

SAME = 1e-3
"""Largest difference of two runs, as a share of the outputs' spread. Batches of another size add up
in another order, which changes outputs by about 1e-6."""


@dataclass(frozen=True)
class ModuleOutputs:
    """What a network computes for the probe inputs.

    Attributes:
        outputs: Batch -> outputs by name, each [B, ...]; batches that the network fails for are
            missing.
        scales: Spread of each output.
        faults: What is wrong with the network, in words.
        comparable: Whether it is worth comparing a file; not if the network is random.
    """

    outputs: dict[Batch, Flat] = field(default_factory=dict)
    scales: Mapping[str, float] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    comparable: bool = True


def module_outputs(model: torch.nn.Module, inputs: ProbeInputs) -> ModuleOutputs:
    """Runs a network on the probe inputs, and checks that it is a function of each example."""
    outputs: dict[Batch, Flat] = {}
    failures: dict[Batch, str] = {}
    for batch in inputs.batches:
        seed_all(0)
        try:
            outputs[batch] = run(model, inputs.batch(batch))
        except OutputsError as error:
            failures[batch] = str(error)
        except Exception as error:  # whatever the user's code raises
            failures[batch] = f"{type(error).__name__}: {_first_line(error)}"
    counted = _of_possible_sizes(inputs, failures)
    outputs = _complete(inputs, outputs, failures)
    text = _failure_text(model, inputs, counted) if counted else _form_text(inputs, outputs)
    if text:
        return ModuleOutputs(outputs, faults=(text,), comparable=False)
    alone = _alone(inputs, outputs)
    if not any(finite_rows(values).any() for values in alone.values()):
        return ModuleOutputs(outputs, faults=(_NOT_FINITE,), comparable=False)
    scales = spreads(alone)
    unstable = _noise(model, inputs, outputs, scales) or _memory(model, inputs, outputs, scales)
    if unstable:  # it looks like mixing, and no file can be compared
        return ModuleOutputs(outputs, scales, (unstable,), comparable=False)
    mixing = _mixing(model, inputs, outputs, scales)
    return ModuleOutputs(outputs, scales, (mixing,) if mixing else ())


_NOT_FINITE = "the outputs of the network are not finite for any of the examples"


def _of_possible_sizes(inputs: ProbeInputs, failures: dict[Batch, str]) -> dict[Batch, str]:
    """Returns the failures that count: a network need not take every other size, but one of them.

    Other sizes are made from the axes that vary; a network may need multiples of a stride, or have
    a longest text.
    """
    by_size = {
        size: {batch: text for batch, text in failures.items() if inputs.size_of(batch) == size}
        for size in range(len(inputs.sizes))
    }
    other = list(range(1, len(inputs.sizes)))
    counted = dict(by_size[0])
    if other and all(by_size[size] for size in other):
        counted |= by_size[other[0]]
    return counted


def _complete(
    inputs: ProbeInputs, outputs: dict[Batch, Flat], failures: dict[Batch, str]
) -> dict[Batch, Flat]:
    """Returns the outputs for sizes that the network takes."""
    failed = {inputs.size_of(batch) for batch in failures}
    return {batch: each for batch, each in outputs.items() if inputs.size_of(batch) not in failed}


def _form_text(inputs: ProbeInputs, outputs: dict[Batch, Flat]) -> str:
    """Returns a text if the outputs of two batches have other names, or another number of axes."""
    (first, expected), *others = outputs.items()
    form = {name: values.ndim for name, values in expected.items()}
    for batch, result in others:
        if {name: values.ndim for name, values in result.items()} != form:
            return (
                f"the network's outputs have another form for {inputs.text(batch)} than for "
                f"{inputs.text(first)}: {_form(result)}, not {_form(expected)}"
            )
    return ""


def _form(outputs: Flat) -> str:
    return ", ".join(f"{name} {list(v.shape)}".strip() for name, v in outputs.items())


def _alone(inputs: ProbeInputs, outputs: dict[Batch, Flat]) -> Flat:
    """Returns the outputs of the examples of the first size, each computed alone."""
    rows = [outputs[(i,)] for i in range(inputs.sizes[0])]
    shape = {name: values.shape for name, values in rows[0].items()}
    return {
        name: np.concatenate([row[name] for row in rows if row[name].shape == shape[name]])
        for name in rows[0]
    }


def _noise(
    model: torch.nn.Module,
    inputs: ProbeInputs,
    outputs: dict[Batch, Flat],
    scales: Mapping[str, float],
) -> str:
    """Returns a text if two runs on the same batch differ."""
    batch = next(b for b in inputs.batches if len(b) > 1)
    results = []
    for seed in (1, 2):
        seed_all(seed)
        results.append(run(model, inputs.batch(batch)))
    apart, _ = largest_difference(results[0], results[1], scales)
    if apart <= SAME:
        return ""
    seed_all(1)
    again, _ = largest_difference(results[0], run(model, inputs.batch(batch)), scales)
    if again > SAME:  # not by chance
        return _memory(model, inputs, outputs, scales) or _memory_text(apart, None)
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
    outputs: dict[Batch, Flat],
    scales: Mapping[str, float],
) -> str:
    """Returns a text if the outputs for an example change after other examples."""
    first = next(iter(inputs.batches))
    seed_all(0)
    apart, _ = largest_difference(outputs[first], run(model, inputs.batch(first)), scales)
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
    outputs: dict[Batch, Flat],
    scales: Mapping[str, float],
) -> str:
    """Returns a text if the outputs for an example depend on the others of its batch."""
    worst, mixed = 0.0, Batch()
    for batch, together in outputs.items():
        for row, i in enumerate(batch if len(batch) > 1 else ()):
            one = {name: values[row : row + 1] for name, values in together.items()}
            apart, _ = largest_difference(outputs[(i,)], one, scales)
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


def _failure_text(model: torch.nn.Module, inputs: ProbeInputs, failures: dict[Batch, str]) -> str:
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
