"""Agreement: how far a deployed file's outputs are from its network's on the same examples.

Differences are shares of the outputs' spread, so that they mean the same for small and for large
logits. Pure functions on arrays.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

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

SIGMAS = 3.0
"""Standard deviations that separate a share from chance."""


@dataclass(frozen=True)
class Agreement:
    """How far a file's outputs are from its network's.

    Attributes:
        examples: Number of examples.
        difference: Largest difference of an output, as a share of the outputs' spread.
        classes: Share of examples with the same class, in [0, 1].
        tolerance: Largest difference of a correct file; None for formats that round activations or
            weights to few bits, where the accuracy shows what the rounding costs.
    """

    examples: int
    difference: float
    classes: float
    tolerance: float | None

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON."""
        return asdict(self)


def spread(outputs: np.ndarray) -> float:
    """Returns how much outputs [N, classes] differ between examples: a standard deviation.

    It is at least a small share of their size, and never 0.
    """
    values = outputs.astype(np.float64)
    size = math.sqrt(float(np.mean(values**2)))
    deviation = math.sqrt(float(np.mean(values.var(axis=0))))
    return max(deviation, SMALLEST_SPREAD * size, 1e-12)


def difference(network: np.ndarray, file: np.ndarray, scale: float) -> float:
    """Returns the largest difference as a share of the spread; infinite if only one is finite.

    Examples for which the network's outputs are not finite do not count.
    """
    if network.shape != file.shape:
        return math.inf
    finite = np.isfinite(network).all(axis=1)
    if not finite.any():
        return 0.0
    gaps = np.abs(file[finite].astype(np.float64) - network[finite])
    return float(gaps.max()) / scale if np.isfinite(gaps).all() else math.inf


def share_text(apart: float) -> str:
    """Returns "0.5 of their spread"; one side may not be finite."""
    return f"{apart:.2g} of their spread" if math.isfinite(apart) else "an infinite value"


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


def agreement(network: np.ndarray, file: np.ndarray, allowed: float | None) -> Agreement:
    """Compares outputs [N, classes] of a network and of its file."""
    same = float((network.argmax(1) == file.argmax(1)).mean())
    apart = difference(network, file, spread(network[np.isfinite(network).all(axis=1)]))
    return Agreement(len(network), apart, same, allowed)


def fault(network: np.ndarray, file: np.ndarray, labels: np.ndarray, allowed: float | None) -> str:
    """Returns why a file is broken, as the end of "the file ..."; empty if it is not.

    Args:
        network: Outputs of the network [N, classes], finite.
        file: Outputs of its file.
        labels: True classes [N].
        allowed: Tolerance; None if rounding decides the difference.
    """
    if network.shape != file.shape:
        return f"gives outputs of shape {list(file.shape)}, the network {list(network.shape)}"
    broken = int((~np.isfinite(file).all(axis=1)).sum())
    if broken:
        return f"gives outputs that are not finite for {broken} of {len(file)} examples"
    scale = spread(network)
    if allowed is not None:
        apart = difference(network, file, scale)
        if apart <= allowed:
            return ""
        return (
            f"computes something else than the network: on {len(file)} validation examples the "
            f"outputs differ by up to {share_text(apart)}, and {allowed:g} is allowed"
        )
    if len(set(network.argmax(1))) > 1 and float(np.ptp(file, axis=0).max()) <= 1e-3 * scale:
        return "gives the same outputs for every example: its rounding is broken"
    return _chance_fault(network.argmax(1), file.argmax(1), labels, network.shape[1])


def _chance_fault(network: np.ndarray, file: np.ndarray, labels: np.ndarray, classes: int) -> str:
    """Returns a text if the classes agree as by chance, although the network is good."""
    count = len(labels)
    right, guess = float((network == labels).mean()), 1 / classes
    good = right > guess + SIGMAS * math.sqrt(guess * (1 - guess) / count)
    by_chance = sum(float((network == c).mean() * (file == c).mean()) for c in range(classes))
    same = float((network == file).mean())
    limit = by_chance + SIGMAS * math.sqrt(by_chance * (1 - by_chance) / count)
    if not good or same >= 0.5 or same > limit:
        return ""
    return (
        f"is broken by its rounding: its class is the network's for {100 * same:.0f} % of {count} "
        f"validation examples, as by chance, while the network is right for {100 * right:.0f} %"
    )


def _on_cpu(options: Mapping[str, Any]) -> bool:
    """Returns whether a runtime's options mean a CPU; TensorRT's device is a number."""
    device = options.get("device", options.get("provider", "cpu"))
    return isinstance(device, str) and device.lower() in ("cpu", "auto")
