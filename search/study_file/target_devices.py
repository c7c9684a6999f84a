"""The keys beside a runtime that name its device: `device`, `sustained`, `scores`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from paretune.objectives.devices.address import parse_address
from paretune.objectives.devices.errors import DeviceRefused
from paretune.objectives.devices.runtimes import check_on_device
from paretune.search.study.spec import Selection
from paretune.search.study.target_device import TargetDevice
from paretune.search.study_file.search_and_budget import seconds_of
from paretune.search.study_file.section_reader import SectionReader
from paretune.spaces.params import Params

SHORTEST_SUSTAINED, LONGEST_SUSTAINED = 5.0, 3600.0
"""Bounds on `sustained` in seconds: a board needs a while to become hot."""


class TargetDeviceParams(Params):
    """The device of a target."""

    device: str = Field(
        description="board or phone that the files are measured on, over the system's ssh or adb: "
        "ssh://[user@]host[:port], adb://SERIAL, or local:// for this machine"
    )
    sustained: str | float | None = Field(
        None,
        description="time of load before latency.sustained is taken, beside the latency of a cold "
        "device: 60s, 30m",
    )
    scores: Literal["auto", "device"] = Field(
        "auto",
        description="where the outputs come from that are scored. device: from the device; auto: "
        "from this host, as long as the device gives the same for 128 examples",
    )


class DeviceReader(SectionReader):
    """Reads the keys of `TargetDevice` beside a runtime."""

    def device(
        self, values: Mapping[str, Any], runtime: Selection | None, key: tuple[str, ...]
    ) -> TargetDevice | None:
        """Returns the device; None if something is wrong, which is noted.

        Args:
            values: The keys of a device in the section.
            runtime: The runtime beside them; None if it is wrong.
            key: Path of the section in the study file.
        """
        if values.get("device") is None:
            for name in values:
                text = f'needs a device beside it: device: "ssh://pi@cam"; {name} has no meaning '
                self.problems.add((*key, name), text + "on this host")
            return None
        checked = self.checked(TargetDeviceParams, values, key)
        if checked is None:
            return None
        address = self._address(checked["device"], (*key, "device"))
        sustained = self._sustained(checked["sustained"], (*key, "sustained"))
        self._check_runtime(runtime, (*key, "device"))
        return None if address is None else TargetDevice(address, sustained, checked["scores"])

    def _check_runtime(self, runtime: Selection | None, key: tuple[str, ...]) -> None:
        if runtime is None:
            return
        try:
            check_on_device(runtime.name)
        except DeviceRefused as error:
            self.problems.add(key, str(error))

    def _address(self, text: str, key: tuple[str, ...]) -> str | None:
        try:
            parse_address(text)
        except DeviceRefused as error:
            self.problems.add(key, str(error))
            return None
        return text

    def _sustained(self, value: str | float | None, key: tuple[str, ...]) -> float | None:
        if value is None:
            return None
        seconds = seconds_of(value) if isinstance(value, str) else float(value)
        if not SHORTEST_SUSTAINED <= seconds <= LONGEST_SUSTAINED:
            self.problems.add(key, f"give a time of 5s to 1h, such as 60s, not {value!r}")
            return None
        return seconds
