"""How long the files of tried options are timed."""

from __future__ import annotations

import pytest

from paretune.search.starting.timed_files import BRIEF_SECONDS, SECONDS, brief_seconds


@pytest.mark.parametrize(
    ("latency", "seconds"), [(0.0, BRIEF_SECONDS), (1.0, BRIEF_SECONDS), (20.0, 0.4), (90, SECONDS)]
)
def test_slow_network_gets_runs_enough(latency: float, seconds: float) -> None:
    assert brief_seconds(latency) == pytest.approx(seconds)
