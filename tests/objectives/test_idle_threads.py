"""Idle threads of training sleep soon, unless the user decides otherwise."""

from __future__ import annotations

import sys

import pytest

from paretune.objectives.idle_threads import SPINS, WAIT_POLICY, let_idle_threads_sleep


@pytest.fixture
def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)


@pytest.mark.usefixtures("without_torch")
def test_threads_spin_for_a_short_time_by_default() -> None:
    environment: dict[str, str] = {}
    assert let_idle_threads_sleep(environment)
    assert environment == SPINS
    assert not let_idle_threads_sleep(environment)  # a process that was started by this one


@pytest.mark.usefixtures("without_torch")
@pytest.mark.parametrize("name", [WAIT_POLICY, *SPINS])
def test_choice_of_the_user_stays(name: str) -> None:
    environment = {name: "active"}
    assert not let_idle_threads_sleep(environment)
    assert environment == {name: "active"}


def test_nothing_is_changed_after_torch_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", sys)
    environment: dict[str, str] = {}
    assert not let_idle_threads_sleep(environment)
    assert not environment
