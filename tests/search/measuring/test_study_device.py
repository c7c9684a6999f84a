"""A device during a study: waited for when it is lost, refused when it cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from paretune.objectives.devices import persistence
from paretune.objectives.devices.errors import DeviceLost, DeviceRefused, RunFailed, RunnerDied
from paretune.objectives.errors import Unmeasurable
from paretune.search.errors import UserError
from paretune.search.measuring import study_device
from paretune.search.measuring.study_device import UNNAMED, StudyDevice

ADDRESS = "ssh://pi@cam"


class StandInDevice:
    """An open device; `facts` is its name, `holders` hold its lease one after the other."""

    holders: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.facts: Any = SimpleNamespace(model="Pi 5")
        self.closed = False
        self.leases = 0

    @contextmanager
    def lease(self, holder: str, on_wait: Callable[[str], object]) -> Iterator[None]:
        assert "study s on" in holder
        for other in self.holders:
            on_wait(other)
        self.leases += 1
        yield

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[StandInDevice]:
    """The devices that were opened; no time passes while one is waited for."""
    devices: list[StandInDevice] = []

    def open_device(address: str) -> StandInDevice:
        devices.append(StandInDevice())
        return devices[-1]

    monkeypatch.setattr("paretune.objectives.devices.device.open_device", open_device)
    monkeypatch.setattr(study_device, "STEP", 0.0)
    monkeypatch.setattr(persistence, "FIRST_WAIT_S", 0.0)
    return devices


def failing(times: int, error: Exception) -> Callable[[Any], str]:
    """Returns an action that raises an error some times before it succeeds."""
    left = [times]

    def action(device: Any) -> str:
        if left[0]:
            left[0] -= 1
            raise error
        return "measured"

    return action


def test_connection_stays_open_between_measurements(opened: list[StandInDevice]) -> None:
    device = StudyDevice(ADDRESS, "study s")

    assert [device.attempt(lambda d: d.facts.model) for _ in range(2)] == ["Pi 5", "Pi 5"]

    assert len(opened) == 1
    assert opened[0].leases == 2
    device.close()
    assert opened[0].closed


def test_lost_device_is_waited_for_and_told(opened: list[StandInDevice]) -> None:
    told: list[str] = []
    device = StudyDevice(ADDRESS, "study s")
    device.notify = told.append

    assert device.attempt(failing(3, DeviceLost(ADDRESS, "no route"))) == "measured"

    assert len(opened) == 4
    assert all(each.closed for each in opened[:3])
    assert "trials wait for it" in told[0]
    assert "is back" in told[-1]


def test_wait_is_shown_until_the_device_is_free(
    opened: list[StandInDevice], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StandInDevice, "holders", ("study s on b, process 1",) * 2)
    shown: list[str | None] = []
    device = StudyDevice(ADDRESS, "study s")
    device.show_wait = shown.append

    device.attempt(failing(1, DeviceLost(ADDRESS, "no route")))

    used, lost = (f"waits for {ADDRESS}, which is {how}" for how in ("in use", "lost"))
    assert shown == [used, None, lost, used, None]


def test_user_is_asked_after_a_while(
    opened: list[StandInDevice], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_device, "ASK_EVERY", 0.0)
    told: list[str] = []
    device = StudyDevice(ADDRESS, "study s")
    device.notify = told.append

    device.attempt(failing(2, DeviceLost(ADDRESS, "no route")))

    assert any("type `paretune stop`" in line for line in told)


def test_stop_of_the_user_ends_the_wait(
    opened: list[StandInDevice], monkeypatch: pytest.MonkeyPatch
) -> None:
    device = StudyDevice(ADDRESS, "study s")

    def look() -> None:
        raise KeyboardInterrupt

    device.look = look
    monkeypatch.setattr(persistence, "FIRST_WAIT_S", 0.01)
    with pytest.raises(KeyboardInterrupt):
        device.attempt(failing(9, DeviceLost(ADDRESS, "no route")))


@pytest.mark.parametrize(
    ("error", "raised", "text"),
    [
        (DeviceRefused("no NumPy: pip install numpy"), UserError, "pip install numpy"),
        (RunFailed("bad operator"), Unmeasurable, "bad operator"),
        (RunnerDied(ADDRESS, -9, ""), Unmeasurable, "lack of memory"),
    ],
)
def test_what_cannot_pass_by_waiting_is_raised(
    opened: list[StandInDevice], error: Exception, raised: type[Exception], text: str
) -> None:
    with pytest.raises(raised, match=text):
        StudyDevice(ADDRESS, "study s").attempt(failing(9, error))


def test_lost_device_is_refused_by_a_check(opened: list[StandInDevice]) -> None:
    device = StudyDevice(ADDRESS, "study s", waits=False)

    with pytest.raises(UserError, match="paretune devices test"):
        device.attempt(failing(1, DeviceLost(ADDRESS, "no route")))


def test_other_study_that_holds_the_device_is_told_once(
    opened: list[StandInDevice], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other workers of this study are not told: they take turns all the time."""
    holders = ("study s on b, process 1", "study t on b, process 2", "study t on b, process 2")
    monkeypatch.setattr(StandInDevice, "holders", holders)
    told: list[str] = []
    device = StudyDevice(ADDRESS, "study s")
    device.notify = told.append

    assert device.attempt(lambda d: d.facts.model) == "Pi 5"

    assert told == [f"the device {ADDRESS} is used by study t on b, process 2; this waits for it"]


@pytest.mark.parametrize(
    ("holders", "count"),
    [((UNNAMED, "study s on b, process 1"), 0), ((UNNAMED, UNNAMED, UNNAMED), 1)],
)
def test_holder_without_a_name_is_told_if_it_stays_so(
    opened: list[StandInDevice],
    monkeypatch: pytest.MonkeyPatch,
    holders: tuple[str, ...],
    count: int,
) -> None:
    monkeypatch.setattr(StandInDevice, "holders", holders)
    told: list[str] = []
    device = StudyDevice(ADDRESS, "study s")
    device.notify = told.append

    device.attempt(lambda d: d.facts.model)

    assert len(told) == count
