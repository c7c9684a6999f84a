"""Work that is repeated while its device is lost."""

from typing import Any

import pytest

from paretune.objectives.devices.errors import DeviceLost, DeviceRefused, RunnerDied
from paretune.objectives.devices.persistence import persist
from paretune.objectives.errors import Unmeasurable

ADDRESS = "ssh://pi@cam"


class MadeUpDevice:
    """A device whose work ends in errors first."""

    def __init__(self, errors: list[Exception]) -> None:
        self.errors = errors

    def __enter__(self) -> "MadeUpDevice":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def work(self) -> str:
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def attempt(errors: list[Exception], lost: list[Any], waits: list[float]) -> str:
    device: Any = MadeUpDevice(errors)
    return persist(ADDRESS, lambda d: d.work(), lost.append, waits.append, lambda _: device)  # type: ignore[attr-defined, no-any-return]


def test_persist_repeats_the_work_when_the_device_is_lost() -> None:
    lost: list[Any] = []
    waits: list[float] = []
    assert attempt([DeviceLost(ADDRESS, "no route")] * 3, lost, waits) == "done"
    assert len(lost) == len(waits) == 3
    assert str(lost[0]) == "the device ssh://pi@cam is lost: no route"


def test_persist_repeats_once_when_the_runner_died() -> None:
    lost: list[Any] = []
    assert attempt([RunnerDied(ADDRESS, -9, "")], lost, []) == "done"
    assert "its runner ended by signal 9, perhaps for lack of memory" in str(lost[0])


def test_persist_blames_the_network_when_the_runner_dies_again() -> None:
    with pytest.raises(Unmeasurable, match="2 times at the same work"):
        attempt([RunnerDied(ADDRESS, -11, "")] * 2, [], [])


def test_persist_ends_when_the_caller_gives_up() -> None:
    def give_up(error: DeviceLost) -> None:
        raise KeyboardInterrupt from error

    device: Any = MadeUpDevice([DeviceLost(ADDRESS, "x")])
    with pytest.raises(KeyboardInterrupt):
        persist(ADDRESS, lambda d: d.work(), give_up, lambda _: None, lambda _: device)  # type: ignore[attr-defined]


def test_persist_passes_refusals_on() -> None:
    with pytest.raises(DeviceRefused):
        attempt([DeviceRefused("no NumPy")], [], [])
