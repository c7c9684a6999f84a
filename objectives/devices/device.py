"""An open device: facts, files, timing, outputs, memory and energy of networks on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from paretune.objectives.devices.messages import (
    DeviceFacts,
    DeviceNetwork,
    DeviceState,
    Memory,
    ThermalGate,
    Windows,
)
from paretune.objectives.devices.timing import DeviceTiming

if TYPE_CHECKING:
    import numpy as np


def open_device(address: str) -> Device:
    """Connects to a device and starts the runner there.

    Args:
        address: `ssh://[user@]host[:port]`, `adb://SERIAL` or `local://`, with `?cpus=0-1`,
            `?python=PATH` or `?folder=PATH`.

    Raises:
        DeviceRefused: The address is wrong, the host or the key is refused, or Python is missing.
        DeviceLost: The device cannot be reached now.
    """
    raise NotImplementedError


class Device:
    """A connection to the runner on a device. One thread may use it at a time.

    Each method raises `DeviceLost` if the link or the runner ends. The device is then closed:
    open it again, and repeat the call (`persistence.persist` does both).

    Attributes:
        address: The address.
        facts: Facts at the time of opening.
    """

    address: str
    facts: DeviceFacts

    def __enter__(self) -> Device:
        raise NotImplementedError

    def __exit__(self, *_: object) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Ends the runner and the link; releases the lease."""

    def hello(self) -> DeviceFacts:
        """Returns the present facts of the device."""
        raise NotImplementedError

    def state(self) -> DeviceState:
        """Returns temperature, clocks and throttling now."""
        raise NotImplementedError

    def check_runtime(self, runtime: str) -> str:
        """Returns the version of a runtime on the device; it is imported there, with NumPy.

        Raises:
            DeviceRefused: NumPy or the runtime is missing or broken; the text has the command that
                installs it.
        """
        raise NotImplementedError

    def put(self, paths: Sequence[Path]) -> int:
        """Sends the files that the device lacks, by digest; returns the bytes that were sent.

        Raises:
            DeviceRefused: The device has no room for them.
        """
        raise NotImplementedError

    @contextmanager
    def lease(
        self, holder: str, wait_s: float | None = None, on_wait: Callable[[str], object] = str
    ) -> Iterator[None]:
        """Holds the device for the body; no other study, worker or host measures on it meanwhile.

        `timing`, `memory` and `windows` need it.

        Args:
            holder: Names this holder to others that wait: study, host and process.
            wait_s: Longest wait in seconds; None for as long as it takes.
            on_wait: Called every few seconds of waiting, with the present holder's name.

        Raises:
            DeviceBusy: Another holder kept it for `wait_s`.
        """
        raise NotImplementedError
        yield

    @contextmanager
    def timing(
        self, networks: Sequence[DeviceNetwork], pin: bool = False, gate: ThermalGate | None = None
    ) -> Iterator[DeviceTiming]:
        """Loads networks on the device to time them in turn; see `DeviceTiming`.

        Args:
            networks: Candidates, baseline and references, in any order.
            pin: Keep the timing thread on one core, as the host does for one thread.
            gate: The wait for a cool device; None for the default one.

        Raises:
            DeviceRefused: NumPy or a runtime is missing.
            Unmeasurable: The runtime on the device cannot load a file.
            RunFailed: A network raised an exception while it ran.
        """
        raise NotImplementedError
        yield

    def run(
        self, network: DeviceNetwork, batches: Iterable[tuple[np.ndarray, ...]]
    ) -> Iterator[np.ndarray | tuple[np.ndarray, ...]]:
        """Yields a network's outputs on the device for each batch, as a session on the host does.

        Raises:
            DeviceRefused, Unmeasurable, RunFailed: As in `timing`.
        """
        raise NotImplementedError
        yield

    def memory(self, network: DeviceNetwork, processes: int = 4, runs: int = 3) -> Memory:
        """Measures the memory that new processes on the device need for a network.

        Raises:
            DeviceRefused, Unmeasurable: As in `timing`; also if a process fails.
        """
        raise NotImplementedError

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
        raise NotImplementedError
