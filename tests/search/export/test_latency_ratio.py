"""The ratio of a latency to that of the baseline."""

from __future__ import annotations

from paretune.objectives.base import Measurement
from paretune.search.export.latency_ratio import LatencyRatio


def test_ratio_is_relative_to_the_baselines_own_measurement() -> None:
    ratio = LatencyRatio.of(
        Measurement("latency", 0.5, "ms", "lower", 0.4, 0.6, 9, {"host": "h", "cpu": "c"}),
        Measurement("latency", 2.0, "ms", "lower", 1.9, 2.1, 9, {}),
    )
    assert ratio == LatencyRatio(0.25, 0.2, 0.3, "h", "c")
