"""Profiles a deployed network: measurements, times by layer and operator, and advice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.inputs import signature_of
from paretune.objectives.base import Measurement, Subject
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.host import fingerprint
from paretune.objectives.profiling.base import LayerCosts, Times
from paretune.objectives.profiling.eager_profile import eager_times
from paretune.objectives.profiling.layer_costs import layer_costs
from paretune.objectives.profiling.onnx_profile import onnx_times
from paretune.objectives.profiling.paired_runs import SECONDS
from paretune.objectives.timing.inputs import validation_batch
from paretune.search.errors import UserError
from paretune.search.measuring.gauge import mark_alone
from paretune.search.measuring.host_lock import host_lock
from paretune.search.profiling.advice.advice import Advice, advice_for
from paretune.search.profiling.advice.change import TriedFormat
from paretune.search.profiling.advice.estimated_changes import estimated_changes
from paretune.search.profiling.advice.estimates import NetworkCosts
from paretune.search.profiling.profile import Profile
from paretune.search.profiling.tried_formats import try_formats
from paretune.search.study.tables import OBJECTIVES

if TYPE_CHECKING:
    from torch import nn

    from paretune.search.profiling.networks import ProfiledNetwork

NUMBERS: dict[str, dict[str, Any]] = {
    "latency": {"seconds": 1.0, "references": False},
    "throughput": {"seconds": 1.0},
    "size": {},
    "parameters": {},
    "macs": {},
    "activations": {},
    "memory": {},
}
"""Objective -> its options. They are measured for the profile if they are in the table."""

BRIEF_SECONDS = 0.4
"""Seconds in which the layers are timed for a brief profile."""


def profile_network(
    network: ProfiledNetwork,
    batch: int,
    folder: Path | None,
    numbers: Mapping[str, Mapping[str, Any]] = NUMBERS,
    brief: bool = False,
) -> Profile:
    """Measures and profiles a network, and tries number formats for it.

    Args:
        network: The network.
        batch: Inputs per run.
        folder: Folder for files of other number formats; None to try no format.
        numbers: Objective -> its options, of those that are measured.
        brief: Whether only the slowest layers are wanted: they are timed shorter, and there is no
            advice.

    Raises:
        UserError: The network cannot be measured on this machine.
    """
    try:
        layers = layer_costs(network.model, network.shape)
        with host_lock.measuring():
            times, note = _times(network, batch, BRIEF_SECONDS if brief else SECONDS)
        layers = _with_uncounted(network.model, layers, times)
        measured = (*network.accuracies, *_numbers(network, batch, numbers))
        formats = () if folder is None else try_formats(network, batch, folder)
    except Unmeasurable as error:
        raise UserError(f"it cannot be profiled: {error}") from error
    costs = NetworkCosts(layers, times.by_layer(), times.outside, float(network.artifact.bytes))
    return Profile(
        network.subject,
        network.runtime.name,
        network.options.model_dump(),
        network.shape,
        network.classes,
        measured,
        layers,
        times,
        note,
        () if brief else _advice(network, costs, formats),
        fingerprint(),
        formats,
    )


def _advice(
    network: ProfiledNetwork, costs: NetworkCosts, formats: Sequence[TriedFormat]
) -> tuple[Advice, ...]:
    """Returns the changes to try, each with an estimate of what it saves."""
    changes = estimated_changes(
        network.model,
        network.shape,
        network.classes,
        costs,
        network.architecture,
        network.data.task,
    )
    return tuple(advice_for(costs, changes, formats))


def _times(network: ProfiledNetwork, batch: int, seconds: float) -> tuple[Times, str | None]:
    """Returns the times by the runtime's own profiler, else by torch's, with a note."""
    inputs = validation_batch(network.data, batch)
    modules = {path for path, _ in network.model.named_modules()}
    if network.runtime.name == "onnxruntime":
        file, options = network.artifact.path, network.options
        return onnx_times(file, options, inputs, modules, seconds), None
    if network.runtime.name == "openvino":
        from paretune.objectives.profiling.openvino_profile import openvino_times

        file, options = network.artifact.path, network.options
        return openvino_times(file, options, inputs, modules, seconds), None
    threads = getattr(network.options, "threads", 1)
    name = network.runtime.name
    note = (
        f"Paretune has no profiler for {name}: the times by layer are those of the torch network "
        f"in eager mode. In {name} the shares may differ; the numbers above are measured there."
    )
    nest = signature_of(network.shape).nest(inputs)
    return eager_times(network.model, nest, threads, seconds), note


def _with_uncounted(
    model: nn.Module, layers: Sequence[LayerCosts], times: Times
) -> tuple[LayerCosts, ...]:
    """Adds the modules that take time although nothing is counted for them, such as views."""
    counted = {layer.path for layer in layers}
    others = [path for path in times.by_layer() if path not in counted]
    kinds = {path: type(module).__name__ for path, module in model.named_modules()}
    return (*layers, *(LayerCosts(path, kinds.get(path, ""), 0, 0, 0, 0) for path in others))


def _numbers(
    network: ProfiledNetwork, batch: int, numbers: Mapping[str, Mapping[str, Any]]
) -> Iterator[Measurement]:
    subject = Subject(
        network.artifact, network.runtime, network.options, network.model, network.data
    )
    for name, options in numbers.items():
        if name not in OBJECTIVES.names:
            continue
        objective = OBJECTIVES.get(name)
        values = {**options, "batch": batch} if name == "latency" else options
        params = objective.Params.model_validate(values)
        with host_lock.measuring() as solitude:
            measured = mark_alone(objective.measure(subject, params, "validation"), solitude.value)
        yield from [measured] if isinstance(measured, Measurement) else list(measured)[:1]
