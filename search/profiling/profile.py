"""Profiles a deployed network: numbers, times by layer and operator, and what to try."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from paretune.objectives.base import Measurement, Subject
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.host import fingerprint
from paretune.objectives.profiling.base import LayerCosts, Times
from paretune.objectives.profiling.eager_profile import eager_times
from paretune.objectives.profiling.layer_costs import layer_costs
from paretune.objectives.profiling.onnx_profile import onnx_times
from paretune.objectives.timing.inputs import validation_batch
from paretune.search.errors import UserError
from paretune.search.measuring.host_lock import host_lock
from paretune.search.profiling.advice.findings import findings
from paretune.search.profiling.advice.gains import Sheet
from paretune.search.profiling.advice.trying import tried
from paretune.search.profiling.profile_info import Profile
from paretune.search.study.tables import OBJECTIVES

if TYPE_CHECKING:
    from torch import nn

    from paretune.search.profiling.networks import Network

NUMBERS: dict[str, dict[str, Any]] = {
    "latency": {"seconds": 1.0, "references": False},
    "throughput": {"seconds": 1.0},
    "size": {},
    "parameters": {},
    "macs": {},
    "activations": {},
    "memory": {},
}
"""What is measured anew, where there is such an objective, and how."""


def profile(network: Network, batch: int = 1) -> Profile:
    """Measures and profiles a network.

    Args:
        network: What.
        batch: Inputs in one run.

    Raises:
        UserError: It cannot be measured here.
    """
    try:
        layers = layer_costs(network.model, network.shape)
        with host_lock.measuring():
            times, note = _times(network, batch)
        layers = _with_fused(network.model, layers, times)
        numbers = (*network.known, *_numbers(network, batch))
    except Unmeasurable as error:
        raise UserError(f"it cannot be profiled: {error}") from error
    sheet = Sheet(layers, times.by_layer(), times.outside, float(network.artifact.bytes))
    modes: Sequence[str] = () if network.quantized else network.runtime.quantizations
    options = tried(
        network.model, network.shape, network.classes, sheet, network.architecture, modes
    )
    return Profile(
        network.subject,
        network.runtime.name,
        network.options.model_dump(),
        network.shape,
        network.classes,
        numbers,
        layers,
        times,
        note,
        tuple(findings(sheet, options)),
        fingerprint(),
    )


def _times(network: Network, batch: int) -> tuple[Times, str | None]:
    """The runtime's own profile where it has one, else that of the torch network."""
    inputs = validation_batch(network.data, batch)
    modules = {path for path, _ in network.model.named_modules()}
    if network.runtime.name == "onnxruntime":
        return onnx_times(network.artifact.path, network.options, inputs, modules), None
    if network.runtime.name == "openvino":
        from paretune.objectives.profiling.openvino_profile import openvino_times

        return openvino_times(network.artifact.path, network.options, inputs, modules), None
    threads = getattr(network.options, "threads", 1)
    note = (
        f"{network.runtime.name} has no profile of its own here: the times by layer are those of "
        "the torch network run eagerly, one operator after the other; the shares may differ "
        f"in {network.runtime.name}, the numbers above are measured there"
    )
    return eager_times(network.model, inputs, threads), note


def _with_fused(model: nn.Module, layers: Sequence[LayerCosts], times: Times) -> tuple[LayerCosts, ...]:
    """The layers, and the modules that take time though nothing is counted of them (a view)."""
    known = {layer.path for layer in layers}
    more = [path for path in times.by_layer() if path not in known]
    kinds = {path: type(module).__name__ for path, module in model.named_modules()}
    return (*layers, *(LayerCosts(path, kinds.get(path, ""), 0, 0, 0, 0) for path in more))


def _numbers(network: Network, batch: int) -> Iterator[Measurement]:
    subject = Subject(
        network.artifact, network.runtime, network.options, network.model, network.data
    )
    for name, options in NUMBERS.items():
        if name not in OBJECTIVES.names:
            continue
        objective = OBJECTIVES.get(name)
        given = {**options, "batch": batch} if name == "latency" else options
        params = objective.Params.model_validate(given)
        with host_lock.measuring():
            measured = objective.measure(subject, params, "validation")
        yield from [measured] if isinstance(measured, Measurement) else list(measured)[:1]
