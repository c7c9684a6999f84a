"""Images stay in memory if they fit, also where a system does not say how much there is."""

from __future__ import annotations

import os

import pytest

from paretune.search.data import memory
from paretune.search.data.memory import MEMORY_SHARE, UNKNOWN, keeps_in_memory, memory_bytes


@pytest.mark.parametrize(
    ("option", "needed", "kept"),
    [("ram", 10**18, True), ("stream", 1, False), ("auto", 1, True), ("auto", 10**18, False)],
)
def test_option_decides_and_auto_looks_at_the_size(option: str, needed: int, kept: bool) -> None:
    assert keeps_in_memory(option, needed) is kept


def test_system_without_sysconf_has_an_assumed_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, where the amount comes from another function."""
    assert memory_bytes() > 2**28
    monkeypatch.delattr(os, "sysconf")
    assert memory_bytes() == UNKNOWN

    monkeypatch.setattr(memory, "_windows_bytes", lambda: 2**34)
    assert memory_bytes() == 2**34
    assert keeps_in_memory("auto", int(2**34 * MEMORY_SHARE))
    assert not keeps_in_memory("auto", int(2**34 * MEMORY_SHARE) + 1)
