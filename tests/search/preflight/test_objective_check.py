"""The check of the objectives: what it skips on devices, and the time that it tells."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from paretune.objectives.device_use import DeviceUse
from paretune.search.preflight import objective_check
from paretune.search.preflight.finding import Finding
from paretune.search.preflight.objective_check import check_objectives


@pytest.fixture
def rehearsal(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A rehearsal with two deployed targets, one of them on a device; measuring takes no time."""
    monkeypatch.setattr(objective_check, "_measured", lambda *_: ([], 1.0))
    monkeypatch.setattr(
        objective_check, "_finding", lambda _, deployed, name, __: Finding(name, "ok", "")
    )

    def deployed(name: str, device: DeviceUse | None) -> Any:
        gauge = SimpleNamespace(quantities=(("size", {}), ("latency", {})))
        return SimpleNamespace(target=SimpleNamespace(name=name, gauge=gauge, device=device))

    access: Any = SimpleNamespace(address="ssh://pi@cam")
    return SimpleNamespace(
        deployed=[deployed("pi", DeviceUse(access, 60.0)), deployed("here", None)],
        refused_devices=set(),
        seconds={},
    )


def test_time_of_a_trial_includes_the_time_under_load(rehearsal: Any) -> None:
    assert [finding.item for finding in check_objectives(rehearsal)] == ["size", "latency"] * 2

    assert rehearsal.seconds["measure"] == pytest.approx(60.0, abs=1.0)


def test_nothing_is_measured_on_a_refused_device(rehearsal: Any) -> None:
    rehearsal.refused_devices.add("pi")

    assert [finding.item for finding in check_objectives(rehearsal)] == ["size", "latency"]
    assert rehearsal.seconds["measure"] < 60.0
