"""The errors of devices: lost, which passes by waiting, and refused, which does not."""

from __future__ import annotations


class DeviceRefused(Exception):
    """The device or its address cannot be used; the text says what to change or to install.

    Examples: an unknown host, a wrong key, no NumPy, no runtime, another architecture than before.
    """


class DeviceLost(Exception):
    """The device cannot be reached or does not answer; it may come back.

    Attributes:
        address: Address of the device.
    """

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"the device {address} is lost: {reason}")
        self.address = address


class RunnerDied(DeviceLost):
    """The runner ended on the device while the link stayed, such as by a crash of the runtime.

    Attributes:
        status: Exit status; a negative number is a signal (-9: killed, often for lack of memory).
    """

    def __init__(self, address: str, status: int, last_words: str) -> None:
        cause = f"by signal {-status}" if status < 0 else f"with status {status}"
        hint = ", perhaps for lack of memory" if status == -9 else ""
        super().__init__(address, f"its runner ended {cause}{hint}{_after(last_words)}")
        self.status = status


class DeviceBusy(Exception):
    """Another holder kept the lease of the device for as long as the caller would wait."""


class MissingFile(Exception):
    """A file that was on the device is not there any more; the text is its name."""


class RunFailed(Exception):
    """The runtime on the device raised an exception while a network ran; the text has it."""


def _after(words: str) -> str:
    return f": {words}" if words else ""
