"""Agreement: how far a deployed file's outputs are from its network's on the same examples.

Differences are shares of an output's spread, so that they mean the same for small and for large
values. Integers (indices, counts) are equal or not: their difference is the share of those that
are not. Pure functions on arrays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from paretune.search.building.broken_rounding import chance_fault, correlation_fault
from paretune.task import Per

EXACT = 1e-3
"""Tolerance of a file that computes in float32 on a CPU. The built-in networks differ by up to
1e-5 in ONNX Runtime: it adds up in another order."""

TOLERANCES = {"float16": 0.05, "bfloat16": 0.4}
"""Tolerance of formats that store rounded floats: 11 and 8 significant bits."""

COARSE = 0.1
"""Tolerance of float32 on a device that may compute in TF32 or 16 bits."""

SMALLEST_SPREAD = 1e-2
"""Smallest spread, as a share of the outputs' size. Outputs that hardly differ between examples
show rounding only."""

CONSTANT = 1e-3
"""Outputs that differ between examples by less than this share of their spread are the same."""

Flat = Mapping[str, np.ndarray]
"""Outputs by their names in the nest ("boxes", "0"), each [N, ...]; "" names a single output."""


@dataclass(frozen=True)
class Agreement:
    """How far a file's outputs are from its network's.

    Attributes:
        examples: Number of examples.
        difference: Largest difference of an output, as a share of that output's spread.
        classes: Share of vectors with the same class, in [0, 1]; None for outputs that are no
            class scores.
        tolerance: Largest difference of a correct file; None for formats that round activations or
            weights to few bits, where the accuracy shows what the rounding costs.
    """

    examples: int
    difference: float
    classes: float | None
    tolerance: float | None

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON."""
        return asdict(self)


def spread(outputs: np.ndarray) -> float:
    """Returns how much outputs [N, ...] differ between examples: a standard deviation.

    It is at least a small share of their size, and never 0. Values that are not finite do not
    count.
    """
    values = outputs.astype(np.float64)
    values = values[finite_rows(values)]
    if not values.size:
        return 1.0
    size = math.sqrt(float(np.mean(values**2)))
    deviation = math.sqrt(float(np.mean(values.var(axis=0))))
    return max(deviation, SMALLEST_SPREAD * size, 1e-12)


def spreads(outputs: Flat) -> dict[str, float]:
    """Returns the spread of each output."""
    return {name: spread(values) for name, values in outputs.items()}


def finite_rows(values: np.ndarray) -> np.ndarray:
    """Returns for which examples all values are finite, bool [N]."""
    if values.dtype.kind not in "fc":
        return np.ones(len(values), dtype=bool)
    finite: np.ndarray = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    return finite


def difference(network: np.ndarray, file: np.ndarray, scale: float) -> float:
    """Returns the largest difference as a share of the spread; infinite if only one is finite.

    Examples for which the network's outputs are not finite do not count. Of integers, it is the
    share of those that differ.
    """
    if network.shape != file.shape:
        return math.inf
    if network.dtype.kind in "biu":
        return float((network != file).mean()) if network.size else 0.0
    finite = finite_rows(network)
    if not finite.any() or not network.size:
        return 0.0
    gaps = np.abs(file[finite].astype(np.float64) - network[finite])
    return float(gaps.max()) / scale if np.isfinite(gaps).all() else math.inf


def largest_difference(
    network: Flat, file: Flat, scales: Mapping[str, float] | None = None
) -> tuple[float, str]:
    """Returns the largest difference of an output, and the output's name.

    Args:
        network: Outputs of the network.
        file: Outputs of the file, with the same names.
        scales: Spread of each output; None takes that of the network's outputs.
    """
    spread_of = scales or spreads(network)
    apart = {name: difference(network[name], file[name], spread_of[name]) for name in network}
    name = max(apart, key=lambda each: apart[each])
    return apart[name], name


def share_text(apart: float) -> str:
    """Returns "0.5 of their spread"; one side may not be finite."""
    return f"{apart:.2g} of their spread" if math.isfinite(apart) else "an infinite value"


def outputs_text(name: str, several: str = "outputs") -> str:
    """Returns "the outputs", or "the values of output "boxes"" for one of several outputs."""
    return f'the values of output "{name}"' if name else f"the {several}"


def tolerance(quantization: Mapping[str, Any] | None, options: Mapping[str, Any]) -> float | None:
    """Returns the largest difference of a correct file; None if rounding decides it.

    Args:
        quantization: {mode: options}; None for float32.
        options: The runtime's options: device, provider, precision.
    """
    [mode] = quantization or [None]
    if mode is not None and mode not in TOLERANCES:
        return None
    exact = TOLERANCES.get(mode or "", EXACT)
    precision = str(options.get("precision") or "f32").lower()
    if precision != "f32":
        return max(exact, TOLERANCES["bfloat16" if precision == "bf16" else "float16"])
    return exact if _on_cpu(options) else max(exact, COARSE)


def agreement(
    network: Flat, file: Flat, allowed: float | None, classes: Per | None = None
) -> Agreement:
    """Compares the outputs of a network and of its file.

    Args:
        network: Outputs of the network.
        file: Outputs of its file.
        allowed: Tolerance; None if rounding decides the difference.
        classes: What has one vector of class scores; None for outputs that are no class scores.
    """
    apart, _ = largest_difference(network, file)
    same = None if classes is None else same_classes(network, file, classes)
    return Agreement(len(next(iter(network.values()))), apart, same, allowed)


def same_classes(network: Flat, file: Flat, per: Per) -> float:
    """Returns the share of vectors for which both name the same class, in [0, 1]."""
    one, other = class_scores(network), class_scores(file)
    axis = class_axis(per)
    return float((one.argmax(axis) == other.argmax(axis)).mean())


def class_axis(per: Per) -> int:
    """Returns the axis of the classes: [B, n], [B, T, n], [B, n, H, W]."""
    return -1 if per == "position" else 1


def class_scores(outputs: Flat) -> np.ndarray:
    """Returns the output with the class scores: "logits", or the first one."""
    return outputs["logits"] if "logits" in outputs else next(iter(outputs.values()))


def fault(network: Flat, file: Flat, classes: np.ndarray | None, allowed: float | None) -> str:
    """Returns why a file is broken, as the end of "the file ..."; empty if it is not.

    Args:
        network: Outputs of the network, finite.
        file: Outputs of its file, with the same names.
        classes: True classes [N] of the examples if each has one class; else None.
        allowed: Tolerance; None if rounding decides the difference.
    """
    form = form_fault(network, file)
    if form:
        return form
    count = len(next(iter(network.values())))
    if allowed is not None:
        apart, name = largest_difference(network, file)
        if apart <= allowed:
            return ""
        return (
            f"computes something else than the network: on {count} validation examples "
            f"{outputs_text(name)} differ by up to {share_text(apart)}, and {allowed:g} is allowed"
        )
    for name, outputs in network.items():
        if _is_constant(outputs, file[name], classes is not None):
            of = f' of output "{name}"' if name else ""
            outs = "values" if name else "outputs"
            return f"gives the same {outs}{of} for every example: its rounding is broken"
    if classes is not None:
        one, other = class_scores(network), class_scores(file)
        return chance_fault(one.argmax(1), other.argmax(1), classes, one.shape[1])
    return correlation_fault(network, file)


def form_fault(network: Flat, file: Flat) -> str:
    """Returns how a file's outputs differ in shape, or that they are not finite; mostly empty."""
    for name, outputs in network.items():
        of = f' "{name}"' if name else "s"
        if file[name].shape != outputs.shape:
            return (
                f"gives output{of} of shape {list(file[name].shape)}, the network "
                f"{list(outputs.shape)}"
            )
        broken = int((~finite_rows(file[name])).sum())
        if broken:
            return (
                f"gives output{of} that {'is' if name else 'are'} not finite for {broken} of "
                f"{len(outputs)} examples"
            )
    return ""


def _is_constant(network: np.ndarray, file: np.ndarray, class_scores: bool) -> bool:
    """Returns whether only the file's outputs are the same for all examples.

    A network of class scores varies if it names two classes; another one if its outputs differ by
    more than their smallest spread.
    """
    if network.dtype.kind != "f" or not network.size:
        return False
    scale = spread(network)
    if float(np.ptp(file, axis=0).max()) > CONSTANT * scale:
        return False
    if class_scores:
        return len(set(network.argmax(1))) > 1
    return is_varying(network)


def is_varying(outputs: np.ndarray) -> bool:
    """Returns whether outputs differ between examples by more than rounding may hide."""
    values = outputs.astype(np.float64)
    size = math.sqrt(float(np.mean(values**2)))
    return math.sqrt(float(np.mean(values.var(axis=0)))) > max(SMALLEST_SPREAD * size, 1e-12)


def _on_cpu(options: Mapping[str, Any]) -> bool:
    """Returns whether a runtime's options mean a CPU; TensorRT's device is a number."""
    device = options.get("device", options.get("provider", "cpu"))
    return isinstance(device, str) and device.lower() in ("cpu", "auto")
