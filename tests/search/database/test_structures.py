"""Measurements of structures are stored by key and replaced by later ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from paretune.objectives.base import Measurement
from paretune.search.database.engine import open_engine
from paretune.search.database.structures import Structures


@pytest.fixture
def structures(tmp_path: Path) -> Structures:
    return Structures(open_engine(f"sqlite:///{tmp_path / 'study.db'}", create=True))


def latency(value: float) -> Measurement:
    return Measurement("latency", value, "ms", "lower", 0.9 * value, 1.1 * value, 40, {"a": 1})


def size(value: float) -> Measurement:
    return Measurement("size", value, "bytes", "lower", value, value)


def test_unmeasured_structure_has_no_measurements(structures: Structures) -> None:
    assert structures.measurements("k") == {}


def test_measurements_are_the_latest_and_name_their_trial(structures: Structures) -> None:
    structures.put("k", [latency(2.0), size(9.0)])
    structures.put("other", [size(1.0)], 3)
    structures.put("k", [latency(3.0)], 7)
    structures.put("k", [])
    measured = structures.measurements("k")
    assert set(measured) == {"latency", "size"}
    last = measured["latency"]
    assert (last.value, last.low, last.high, last.count) == pytest.approx((3.0, 2.7, 3.3, 40))
    assert (last.unit, last.better, last.conditions) == ("ms", "lower", {"trial": 7})
    assert measured["size"].conditions == {"untrained": True}
    assert structures.measurements("other")["size"].value == 1.0
