"""The device of a target during a study: opened when it is needed, waited for when it is lost."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar, cast

from paretune.objectives.errors import Unmeasurable
from paretune.search.errors import UserError
from paretune.search.measuring.host_lock import host_lock
from paretune.search.study.durations import duration

if TYPE_CHECKING:
    from paretune.objectives.devices.device import Device
    from paretune.objectives.devices.errors import DeviceLost
    from paretune.objectives.devices.messages import DeviceFacts

T = TypeVar("T")

_log = logging.getLogger(__name__)

LOCAL = "local://"
"""Begin of the addresses of this host, whose other work would disturb a measurement."""

ASK_EVERY = 600.0
"""Seconds of waiting for a lost device, after which the user is asked what to do."""

UNNAMED = "another process"
"""The holder of a device's lease that has written no name."""

STEP = 0.5
"""Seconds between two looks at what the user wants, while a device is waited for."""

WHAT_TO_DO = (
    "it is still waited for, and nothing is lost. Bring it back; or type `paretune stop` and later "
    "the same command again, which goes on here; or change its address in the study file"
)


class StudyDevice:
    """Leads to a device. It is a `DeviceAccess`.

    A connection stays open between two measurements. The lease of the device is held during one.

    Args:
        address: Address of the device.
        holder: Names the study to others that wait for the device.
        accept: Called with the facts of the device after each connection; may refuse it.
        waits: Whether a lost device is waited for; otherwise it is refused.
    """

    def __init__(
        self,
        address: str,
        holder: str,
        accept: Callable[[DeviceFacts], None] = lambda facts: None,
        waits: bool = True,
    ) -> None:
        self.address = address
        self.notify: Callable[[str], None] = _log.warning  # standard error
        self.look: Callable[[], None] = lambda: None
        self.show_wait: Callable[[str | None], None] = lambda text: None
        self._shown_wait: str | None = None
        self._name, self._told_holder, self._last_holder = holder, "", ""
        self._holder = f"{holder} on {socket.gethostname()}, process {os.getpid()}"
        self._accept = accept
        self._waits = waits
        self._open: Device | None = None
        self._lost_since: float | None = None
        self._asked = 0.0

    @property
    def is_local(self) -> bool:
        """Whether the device is this host."""
        return self.address.startswith(LOCAL)

    def attempt(self, action: Callable[[Any], T]) -> T:
        """Returns what an action does with the device, whose lease is held meanwhile.

        Raises:
            Unmeasurable: The network cannot be loaded or run there.
            UserError: The device is refused, or it is lost and not waited for.
        """
        from paretune.objectives.devices.errors import DeviceBusy, DeviceRefused, RunFailed
        from paretune.objectives.devices.persistence import persist

        def work(device: Device) -> T:
            with self._alone(), device.lease(self._holder, on_wait=self._busy):
                self._show_wait(None)
                answer = action(device)
            self._found_again()
            self._told_holder = ""
            return answer

        connect = cast(Any, self._connected)
        try:
            return persist(self.address, work, self._lost, self._sleep, connect)
        except RunFailed as error:
            raise Unmeasurable(f"on {self.address}: {error}") from error
        except (DeviceRefused, DeviceBusy) as error:
            raise UserError(str(error)) from error

    def facts(self) -> DeviceFacts:
        """Returns the facts of the device.

        Raises:
            UserError: The device is refused, or it is lost and not waited for.
        """
        facts: DeviceFacts = self.attempt(lambda device: device.facts)
        return facts

    def check_runtime(self, runtime: str, threads: int = 0) -> str:
        """Returns the version of a runtime on the device, which is imported there.

        Args:
            runtime: Name of the runtime.
            threads: Threads of one inference; 0 for all cores.

        Raises:
            UserError: NumPy or the runtime is missing, and the text says what to install; or the
                device has fewer cores than threads.
        """
        from paretune.objectives.devices.runtimes import check_threads

        def check(device: Device) -> str:
            check_threads(self.address, device.facts.cores, runtime, threads)
            return device.check_runtime(runtime)

        return self.attempt(check)

    def close(self) -> None:
        """Closes the connection."""
        device, self._open = self._open, None
        if device is not None:
            device.close()

    def _connected(self, address: str) -> AbstractContextManager[Device]:
        """Returns the open connection, or a new one; an error in its use closes it."""
        from paretune.objectives.devices.device import open_device

        if self._open is None:
            device = open_device(address)
            try:
                self._accept(device.facts)
            except BaseException:
                device.close()
                raise
            self._open = device
        return _Kept(self, self._open)

    def _alone(self) -> AbstractContextManager[object]:
        """Keeps other work away if the device is this host."""
        return host_lock.measuring() if self.is_local else nullcontext()

    def _lost(self, error: DeviceLost) -> None:
        """Tells that the device is lost, and asks after a while.

        Raises:
            UserError: The device is not waited for.
        """
        if not self._waits:
            raise UserError(f"{error}; try `paretune devices test {self.address}`") from error
        self._show_wait(f"waits for {self.address}, which is lost")
        now = time.monotonic()
        if self._lost_since is None:
            self._lost_since = self._asked = now
            self.notify(f"{error}; trials wait for it, and training goes on in other workers")
        elif now - self._asked >= ASK_EVERY:
            self._asked = now
            since = duration(now - self._lost_since)
            self.notify(f"the device {self.address} is lost since {since} ({error}): {WHAT_TO_DO}")

    def _found_again(self) -> None:
        if self._lost_since is not None:
            since = duration(time.monotonic() - self._lost_since)
            self._lost_since = None
            self.notify(f"the device {self.address} is back after {since}")

    def _busy(self, holder: str) -> None:
        """Lets other work of this host measure meanwhile; called while another holds the lease."""
        self._show_wait(f"waits for {self.address}, which is in use")
        is_ours = holder.startswith(f"{self._name} on ")  # workers of a study take turns
        is_new, self._last_holder = holder != self._last_holder, holder
        # A process that has just taken the lease has not written its name yet.
        if not is_ours and holder != self._told_holder and not (holder == UNNAMED and is_new):
            self._told_holder = holder
            self.notify(f"the device {self.address} is used by {holder}; this waits for it")
        self._breathe()

    def _show_wait(self, text: str | None) -> None:
        if text != self._shown_wait:
            self._shown_wait = text
            self.show_wait(text)

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(STEP, left))
            self._breathe()

    def _breathe(self) -> None:
        self.look()
        host_lock.breathe()


class _Kept(AbstractContextManager[Any]):
    """An open device in a `with` statement, which an error in the body closes."""

    def __init__(self, owner: StudyDevice, device: Device) -> None:
        self._owner = owner
        self._device = device

    def __enter__(self) -> Device:
        return self._device

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._owner.close()
