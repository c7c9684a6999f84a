"""What the host asks of a device, and what the device answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class DeviceNetwork:
    """A file of a runtime that the device loads, and the inputs of its timed runs.

    Attributes:
        runtime: Name of the runtime.
        options: The runtime's options as JSON (`Params.model_dump()`).
        path: The file on the host.
        sha256: Digest of the file; empty to compute it.
        inputs: An array [B, ...] for each input of the network; empty for `Device.run`.
    """

    runtime: str
    options: Mapping[str, Any]
    path: Path
    sha256: str = ""
    inputs: tuple[np.ndarray, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class ThermalGate:
    """The wait for a cool device before a session.

    Attributes:
        celsius: Highest temperature at the start; None for 15 below the device's first passive
            trip point, or 65 if it declares none.
        wait_s: Longest wait in seconds. Then the session starts warm and says so.
    """

    celsius: float | None = None
    wait_s: float = 300.0


@dataclass(frozen=True)
class GateResult:
    """How the wait for a cool device ended.

    Attributes:
        passed: Whether the device was cool and its clocks were not reduced. True if it has no
            sensor: see `celsius`.
        waited_s: Seconds of waiting.
        celsius: Temperature at the start; None if the device has no sensor.
        limit: The limit that applied.
        throttled: Signs of reduced clocks at the start; empty if there are none.
    """

    passed: bool
    waited_s: float
    celsius: float | None
    limit: float
    throttled: tuple[str, ...] = ()


@dataclass(frozen=True)
class DeviceState:
    """The condition of a device at one moment.

    Attributes:
        celsius: The hottest sensor of its processor; None if there is none.
        mhz: Present clock of each core; empty if the system does not report them.
        governors: Distinct governors of the clocks, such as ("ondemand",).
        throttled: Signs that clocks are reduced now; empty if there are none.
        load_average: Load of the last minute; None if the system has none.
    """

    celsius: float | None
    mhz: tuple[float, ...]
    governors: tuple[str, ...]
    throttled: tuple[str, ...]
    load_average: float | None


@dataclass(frozen=True)
class DeviceFacts:
    """What a device is: the answer to `hello`.

    Attributes:
        address: The address it was reached by.
        identity: Digest that tells this device from others: of its machine id or serial number.
        machine: Architecture: "aarch64", "x86_64", ...
        system: Operating system with its version.
        model: Name of the board or host.
        cpu: Name of the processor.
        cores: Cores that the runner may use.
        memory_bytes: Memory of the device; None if unknown.
        python: Version of Python.
        numpy: Version of NumPy; None if it is missing.
        runtimes: Runtime -> version of its package; those that are installed.
        counters: Names of energy counters; empty if there are none.
        no_counters: Why there are no energy counters; None if there are.
        holder: Holder of the device's lease now; None if it is free.
        state: Temperature, clocks and throttling at this moment.
        runner: Digest of the runner.
    """

    address: str
    identity: str
    machine: str
    system: str
    model: str
    cpu: str
    cores: int
    memory_bytes: int | None
    python: str
    numpy: str | None
    runtimes: Mapping[str, str]
    counters: tuple[str, ...]
    no_counters: str | None
    holder: str | None
    state: DeviceState
    runner: str


@dataclass(frozen=True)
class Memory:
    """Memory that loading and running a network added to a new process on the device.

    Attributes:
        added: Bytes of each process.
        empty_bytes: Bytes of a process before.
        method: The method, as in the conditions of the objective `memory`.
    """

    added: tuple[int, ...]
    empty_bytes: int
    method: str


@dataclass(frozen=True)
class Window:
    """Runs of one or more sessions during a span of time.

    Attributes:
        seconds: Length of the window.
        runs: Runs of all sessions together.
        rate: Runs per second: the sum of the sessions' rates, each by its own clock.
        joules: Joules that the counters counted; None without counters.
        celsius: Temperature at its end; None if there is no sensor.
        mhz: Mean clock of the cores at its end; None if the system does not report it.
        throttled: Signs of reduced clocks at its end.
    """

    seconds: float
    runs: int
    rate: float
    joules: float | None
    celsius: float | None
    mhz: float | None
    throttled: tuple[str, ...]


@dataclass(frozen=True)
class Windows:
    """Consecutive windows of one network: for throughput, energy and sustained rates.

    Attributes:
        windows: In order of time.
        gate: How the wait for a cool device ended.
        counters: Names of the energy counters that were read.
        before: Condition of the device before the first window.
        after: Condition of the device after the last window.
    """

    windows: Sequence[Window]
    gate: GateResult
    counters: tuple[str, ...]
    before: DeviceState
    after: DeviceState
