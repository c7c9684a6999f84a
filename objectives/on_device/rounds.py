"""Times several artifacts in turn on a device, with the estimates of a session on this host."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from paretune.objectives.base import Subject
from paretune.objectives.devices.messages import DeviceNetwork
from paretune.objectives.devices.timing import DeviceRuns, DeviceTiming
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.on_device.networks import (
    device_of,
    network_of,
    place_of,
    state_of,
    versions_of,
)
from paretune.objectives.timing.inputs import validation_batch
from paretune.objectives.timing.reference_networks import reference_files, reference_inputs
from paretune.objectives.timing.round_estimates import BLOCKS, LOADING, RoundEstimates

if TYPE_CHECKING:
    from paretune.objectives.devices.device import Device

KnownRatios = Callable[[Mapping[str, Any]], Sequence[float] | None]
"""Conditions that name a device -> logarithms of the references' ratios to the baseline there."""


def device_rounds(
    subjects: Sequence[Subject],
    params: Any,
    known_ratios: KnownRatios,
    pause: Callable[[float], object],
) -> DeviceRounds:
    """Times subjects on their device; returns the session.

    Args:
        subjects: Artifacts with the same device, runtime, options, data and baseline.
        params: Options of `Latency`.
        known_ratios: As in `TimingRounds`.
        pause: Waits for some seconds between two blocks, with the option `spread`.

    Raises:
        Unmeasurable: There are no inputs, or a file cannot be loaded or run on the device.
    """
    request = _Request(subjects, params)

    def timed(device: Device) -> DeviceRounds:
        with device.timing(request.networks, request.pin) as timing:
            rounds = DeviceRounds(device, timing, request, known_ratios)
            rounds.run(pause)
            return rounds

    return device_of(subjects[0]).access.attempt(timed)


class _Request:
    """What a device is asked to time: the baseline, the references and the subjects, in order.

    Args:
        subjects: As in `device_rounds`.
        params: Options of `Latency`.
    """

    def __init__(self, subjects: Sequence[Subject], params: Any) -> None:
        first = subjects[0]
        inputs = validation_batch(first.data, params.batch)
        self.params = params
        self.runtime = first.runtime.name
        self.pin = getattr(first.options, "threads", 0) == 1
        self.has_baseline = first.baseline is not None
        self.why_no_references: str | None = None
        networks: list[DeviceNetwork] = []
        if first.baseline is not None:
            path, sha256 = first.baseline.path, first.baseline.sha256
            networks.append(network_of(first, path, inputs, sha256))
        references = self._references(first, inputs)
        self.references = len(references)
        networks += references
        networks += [
            network_of(each, each.artifact.path, inputs, each.artifact.sha256) for each in subjects
        ]
        self.networks = networks

    def _references(self, first: Subject, inputs: Sequence[Any]) -> list[DeviceNetwork]:
        if not self.params.references:
            return []
        try:
            files = reference_files(first.runtime, first.data.shape)
        except Unmeasurable as error:
            self.why_no_references = str(error)
            return []
        images = reference_inputs(first.data.shape, self.params.batch) or inputs
        return [network_of(first, file, images) for file in files]


class DeviceRounds(RoundEstimates):
    """A session on a device. Its runs stay when the device is closed.

    Args:
        device: The open device.
        timing: The session there.
        request: What it times.
        known_ratios: As in `TimingRounds`.
    """

    def __init__(
        self, device: Device, timing: DeviceTiming, request: _Request, known_ratios: KnownRatios
    ) -> None:
        super().__init__(request.params)
        self._facts, self._timing, self._runtime = device.facts, timing, request.runtime
        runs = list(timing.networks)
        self.baseline = runs.pop(0) if request.has_baseline else None
        self.references, self.subjects = runs[: request.references], runs[request.references :]
        self.why_no_references = request.why_no_references or self.why_no_references
        self.known_ratios = known_ratios(self.place()) if self.references else None
        self._device_runs: Sequence[DeviceRuns] = timing.networks

    def run(self, pause: Callable[[float], object]) -> None:
        """Adds blocks until every interval is narrow enough or the time is spent."""
        seconds, spent, loading = self.seconds, 0.0, 0.0
        while not self.is_enough(spent, seconds):
            reload = spent > 0 and loading <= LOADING * spent
            took = self._timing.block(seconds / BLOCKS, reload)
            spent += took
            if reload:
                loading += sum(runs.load_seconds for runs in self._device_runs)
            self.judge()
            if self._params.spread and not self.is_enough(spent, seconds):
                pause(max(0.0, self._params.spread / BLOCKS - took))
        first = len(self._device_runs) - len(self.subjects)
        self.warm_up_runs = [runs.warm_up_runs for runs in self._device_runs[first:]]

    def place(self) -> dict[str, Any]:
        """Returns the conditions that name the device."""
        return place_of(self._facts)

    def machine(self) -> dict[str, Any]:
        """Returns the conditions of the device during the session."""
        timing = self._timing
        throttled = [any(r.blocks[n].throttled for r in self._device_runs) for n in self._numbers()]
        return {
            **versions_of(self._facts, self._runtime),
            **state_of(timing.gate, timing.before, timing.after),
            "throttled_blocks": sum(throttled),
            "denormals": timing.denormals,
        }

    def _numbers(self) -> range:
        return range(len(self._device_runs[0].blocks))
