"""An open device: facts, files, timing, outputs, memory and energy of networks on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from paretune.objectives.devices.address import parse_address
from paretune.objectives.devices.errors import DeviceBusy, DeviceLost, DeviceRefused, MissingFile
from paretune.objectives.devices.files import DeviceFiles, array_file, digest_of
from paretune.objectives.devices.link import Link
from paretune.objectives.devices.loader import runner_digest
from paretune.objectives.devices.messages import (
    DeviceFacts,
    DeviceNetwork,
    DeviceState,
    Memory,
    ThermalGate,
    Window,
    Windows,
)
from paretune.objectives.devices.patience import Patience
from paretune.objectives.devices.runtimes import options_on_device
from paretune.objectives.devices.timing import RULES, DeviceTiming, gate_of, state_of

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")

LOOK_S = 0.5
"""Seconds between two attempts to take the lease."""

REPORT_EVERY_S = 5.0
"""Seconds between two calls of `on_wait`."""

KEPT_BYTES = 256 << 20
"""Inputs of `run` that stay on the device for later networks, in bytes; more are only passed on."""


def open_device(address: str, patience: Patience | None = None) -> Device:
    """Connects to a device and starts the runner there.

    Args:
        address: `ssh://[user@]host[:port]`, `adb://SERIAL` or `local://`, with `?cpus=0-1`,
            `?python=PATH` or `?folder=PATH`.
        patience: How long host and runner wait for each other; None for the usual times.

    Raises:
        DeviceRefused: The address is wrong, the host or the key is refused, or Python is missing.
        DeviceLost: The device cannot be reached now.
    """
    return Device(Link(parse_address(address), patience or Patience()))


class Device:
    """A connection to the runner on a device. One thread may use it at a time.

    Each method raises `DeviceLost` if the link or the runner ends. The device is then closed:
    open it again, and repeat the work (`persistence.persist` does both).

    Attributes:
        address: The address.
        facts: Facts at the time of opening.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._files = DeviceFiles(link)
        self.address = link.address.text
        try:
            self.facts = self.hello()
            if self.facts.runner != runner_digest():
                raise DeviceLost(self.address, "its runner is another than the one that was sent")
        except BaseException:
            link.close()
            raise

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the runner and the link; releases the lease."""
        self._link.close()

    def hello(self) -> DeviceFacts:
        """Returns the present facts of the device."""
        answer = self._link.ask("hello")
        names = DeviceFacts.__dataclass_fields__
        values = {name: answer[name] for name in names if name in answer}
        values["counters"] = tuple(answer["counters"])
        values["state"] = state_of(answer["state"])
        return DeviceFacts(address=self.address, **values)

    def state(self) -> DeviceState:
        """Returns temperature, clocks and throttling now."""
        return state_of(self._link.ask("state")["state"])

    def check_runtime(self, runtime: str) -> str:
        """Returns the version of a runtime on the device; it is imported there, with NumPy.

        Raises:
            DeviceRefused: NumPy or the runtime is missing or broken; the text has the command that
                installs it.
        """
        return str(self._link.ask("runtime", {"runtime": runtime})["version"])

    def put(self, paths: Sequence[Path]) -> int:
        """Sends the files that the device lacks, by digest; returns the bytes that were sent.

        Raises:
            DeviceRefused: The device has no room for them.
        """
        return self._files.put([(digest_of(path), path) for path in paths])

    @contextmanager
    def lease(
        self,
        holder: str,
        wait_s: float | None = None,
        on_wait: Callable[[str], object] = lambda _: None,
    ) -> Iterator[None]:
        """Holds the device for the body; no other study, worker or host measures on it meanwhile.

        `timing`, `memory` and `windows` need it.

        Args:
            holder: Names this holder to others that wait: study, host and process.
            wait_s: Longest wait in seconds; None for as long as it takes.
            on_wait: Called every few seconds of waiting, with the present holder's name. It may
                raise an exception to end the wait.

        Raises:
            DeviceBusy: Another holder kept it for `wait_s`.
        """
        begun = time.monotonic()
        reported = begun - REPORT_EVERY_S
        while not (answer := self._link.ask("lock", {"holder": holder}))["taken"]:
            now = time.monotonic()
            if wait_s is not None and now - begun >= wait_s:
                raise DeviceBusy(f"the device {self.address} is held by {answer['holder']}")
            if now - reported >= REPORT_EVERY_S:
                reported = now
                on_wait(str(answer["holder"]))
            time.sleep(LOOK_S if wait_s is None else min(LOOK_S, max(0.01, wait_s / 4)))
        try:
            yield
        finally:
            if not self._link.ended.is_set():
                self._link.ask("unlock")

    @contextmanager
    def timing(
        self, networks: Sequence[DeviceNetwork], pin: bool = False, gate: ThermalGate | None = None
    ) -> Iterator[DeviceTiming]:
        """Loads networks on the device to time them in turn; see `DeviceTiming`.

        Args:
            networks: Candidates, baseline and references. The probe learns from the first.
            pin: Keep the timing thread on one core, as the host does for one thread.
            gate: The wait for a cool device; None for the default one.

        Raises:
            DeviceRefused: NumPy or a runtime is missing.
            Unmeasurable: The runtime on the device cannot load a file.
            RunFailed: A network raised an exception while it ran.
        """
        request = {
            "networks": [self._network(each) for each in networks],
            "pin": pin,
            "gate": asdict(gate or ThermalGate()),
            "rules": RULES,
        }
        opened = self._sending(networks, lambda: self._link.ask("time_open", request))
        try:
            yield DeviceTiming(self._link, opened)
        finally:
            if not self._link.ended.is_set():
                self._link.ask("time_close")

    def run(
        self, network: DeviceNetwork, batches: Iterable[tuple[np.ndarray, ...]]
    ) -> Iterator[np.ndarray | tuple[np.ndarray, ...]]:
        """Yields a network's outputs on the device for each batch, as a session on the host does.

        The first inputs, up to KEPT_BYTES, stay on the device for the networks that follow.

        Raises:
            DeviceRefused, Unmeasurable, RunFailed: As in `timing`.
        """
        request = {"network": self._network(network, inputs=False)}
        bare = replace(network, inputs=())
        self._sending([bare], lambda: self._link.ask("run_open", request))
        room = KEPT_BYTES
        try:
            for batch in batches:
                room -= sum(array.nbytes for array in batch)
                yield self._files.run(batch, keep=room >= 0)
        finally:
            if not self._link.ended.is_set():
                self._link.ask("run_close")

    def memory(self, network: DeviceNetwork, processes: int = 4, runs: int = 3) -> Memory:
        """Measures the memory that new processes on the device need for a network.

        Raises:
            DeviceRefused, Unmeasurable: As in `timing`; also if a process fails.
        """
        request = {"network": self._network(network), "processes": processes, "runs": runs}
        answer = self._sending([network], lambda: self._link.ask("memory", request))
        return Memory(tuple(answer["added"]), answer["empty_bytes"], answer["method"])

    def windows(
        self,
        network: DeviceNetwork,
        windows: int,
        seconds: float,
        replicas: int = 1,
        energy: bool = False,
        warm_up: bool = True,
        gate: ThermalGate | None = None,
    ) -> Windows:
        """Runs a network without pause, in consecutive windows.

        It serves throughput (`replicas`), energy (`energy`) and the sustained rate, which falls
        when the device gets hot (60 windows of a second, without warm-up).

        Args:
            network: The network with its inputs.
            windows: Number of windows.
            seconds: Length of a window.
            replicas: Sessions that run at once, each in a thread.
            energy: Read the energy counters.
            warm_up: Run a window that does not count first.
            gate: The wait for a cool device; None for the default one.

        Raises:
            DeviceRefused: Also if `energy` is wanted and the device has no counters.
            Unmeasurable, RunFailed: As in `timing`.
        """
        request = {
            "network": self._network(network),
            "windows": windows,
            "seconds": seconds,
            "replicas": replicas,
            "energy": energy,
            "warm_up": warm_up,
            "gate": asdict(gate or ThermalGate()),
        }
        answer = self._sending([network], lambda: self._link.ask("windows", request))
        return Windows(
            [Window(**{**w, "throttled": tuple(w["throttled"])}) for w in answer["windows"]],
            gate_of(answer["gate"]),
            tuple(answer["counters"]),
            state_of(answer["before"]),
            state_of(answer["after"]),
        )

    def _network(self, network: DeviceNetwork, inputs: bool = True) -> Mapping[str, Any]:
        """Returns what the runner needs to know of a network."""
        digest = network.sha256 or digest_of(network.path)
        return {
            "runtime": network.runtime,
            "options": options_on_device(network.runtime, network.options),
            "file": self._files.name(digest, network.path),
            "inputs": [array_file(array).name for array in network.inputs] if inputs else [],
        }

    def _sending(self, networks: Sequence[DeviceNetwork], ask: Callable[[], T]) -> T:
        """Sends the files of networks and asks; once more if a file is gone by then."""
        for last in (False, True):
            for network in networks:
                digest = network.sha256 or digest_of(network.path)
                self._files.put([(digest, network.path)])
                self._files.put_arrays(network.inputs)
            try:
                return ask()
            except MissingFile as error:
                self._files.forget(str(error))
                if last:
                    raise DeviceRefused(
                        f"the device {self.address} loses files ({error}): is its disk full?"
                    ) from error
        raise AssertionError
