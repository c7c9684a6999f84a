"""Sessions for scores: on this host, on a device, or on the device only if the two differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paretune.inputs import signature_of
from paretune.objectives.base import Subject
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.flat_arrays import flat_arrays
from paretune.objectives.on_device.networks import device_network, device_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from paretune.objectives.devices.device import Device
    from paretune.objectives.runtimes.base import Outputs

EXAMPLES = 128
"""Validation examples whose outputs are compared."""

BATCH = 64
"""Examples in one run of them."""

EQUAL = 1e-3
"""Largest difference of equal outputs, as a share of their range.

Another processor adds up in another order, which moves float32 outputs by 1e-7 to 1e-5 of their
range. Another rounding of int8 moves single outputs by 1e-2. Then the scores are the device's."""

_SEEN: dict[tuple[str, str, str], Parity] = {}
"""Device, runtime with options, and digest of a file -> comparison, so that it is made once."""


@dataclass(frozen=True)
class Parity:
    """How far the outputs of a device are from those of this host.

    Attributes:
        examples: Number of examples that were compared.
        largest: Largest difference, as a share of the range of the output; NaN if the outputs
            differ in shape, or one is not finite where the other is.
    """

    examples: int
    largest: float

    @property
    def is_equal(self) -> bool:
        """Whether scores of the one are scores of the other."""
        return self.largest <= EQUAL

    @property
    def text(self) -> str:
        """In words."""
        return f"outputs differ by {self.largest:.1g} of their range on {self.examples} examples"


@dataclass(frozen=True)
class ScoringSession:
    """A session for scores.

    Attributes:
        session: Flat arrays in, an array or a tuple of arrays out.
        conditions: Where its outputs come from, as conditions of a measurement; empty on a host.
    """

    session: Callable[..., Outputs]
    conditions: dict[str, Any]


class DeviceSession:
    """Runs a file on a device, batch by batch.

    Args:
        subject: The file, with its device.
    """

    def __init__(self, subject: Subject) -> None:
        self._access = device_of(subject).access
        self._network = device_network(subject)

    def __call__(self, *arrays: np.ndarray) -> Outputs:
        """Returns the outputs of a batch."""

        def outputs(device: Device) -> Outputs:
            [answer] = device.run(self._network, [arrays])
            return answer

        return self._access.attempt(outputs)


def scoring_session(subject: Subject) -> ScoringSession:
    """Returns the session whose outputs are scored; on a host it uses all cores.

    Raises:
        Unmeasurable: The runtime cannot load or run the file.
    """
    if subject.device is None:
        return ScoringSession(_on_host(subject), {})
    address = subject.device.access.address
    if subject.device.scores == "device":
        return ScoringSession(DeviceSession(subject), {"outputs": "device", "address": address})
    parity = _parity(subject)
    source = "host" if parity.is_equal else "device"
    session = _on_host(subject) if parity.is_equal else DeviceSession(subject)
    conditions = {"outputs": source, "address": address, "parity": parity.text}
    return ScoringSession(session, conditions)


def _on_host(subject: Subject) -> Callable[..., Outputs]:
    return subject.runtime.load(subject.artifact.path, subject.options, threads=0)


def _parity(subject: Subject) -> Parity:
    access = device_of(subject).access
    runtime = f"{subject.runtime.name} {subject.options!r}"
    key = (access.address, runtime, subject.artifact.sha256)
    if key not in _SEEN:
        _SEEN[key] = _compared(subject)
    return _SEEN[key]


def _compared(subject: Subject) -> Parity:
    """Compares the outputs of the device with those of this host.

    Raises:
        Unmeasurable: There are no validation examples.
    """
    batches = _batches(subject)
    network = device_network(subject)

    def run(device: Device) -> list[Outputs]:
        return list(device.run(network, batches))

    actual = device_of(subject).access.attempt(run)
    host = _on_host(subject)
    expected = [host(*batch) for batch in batches]
    count = sum(len(batch[0]) for batch in batches)
    return Parity(count, largest_difference(expected, actual))


def _batches(subject: Subject) -> list[tuple[np.ndarray, ...]]:
    signature = signature_of(subject.data.shape)
    batches: list[tuple[np.ndarray, ...]] = []
    count = 0
    for inputs, _ in subject.data.arrays("validation", BATCH):
        arrays = flat_arrays(signature, inputs)
        if len(arrays[0]):
            batches.append(arrays)
            count += len(arrays[0])
        if count >= EXAMPLES:
            break
    if not batches:
        raise Unmeasurable("the validation part has no examples")
    return batches


def largest_difference(expected: Sequence[Outputs], actual: Sequence[Outputs]) -> float:
    """Returns the largest difference of outputs, as a share of the range of each output.

    NaN if they differ in number or shape, or one is not finite where the other is.

    Args:
        expected: The outputs of each batch.
        actual: Those to compare, of the same batches.
    """
    import numpy as np

    def flat(outputs: Outputs) -> tuple[np.ndarray, ...]:
        return outputs if isinstance(outputs, tuple) else (outputs,)

    largest = 0.0
    for one, other in zip(map(flat, expected), map(flat, actual), strict=True):
        if [each.shape for each in one] != [each.shape for each in other]:
            return float("nan")
        for left, right in zip(one, other, strict=True):
            a, b = left.astype(np.float64), right.astype(np.float64)
            numbers = np.isfinite(a)
            if not np.array_equal(numbers, np.isfinite(b)):
                return float("nan")
            if numbers.any():
                span = float(np.ptp(a[numbers])) or 1.0
                largest = max(largest, float(np.abs(a - b)[numbers].max()) / span)
    return largest
