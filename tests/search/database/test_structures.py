"""What is known of structures is kept, replaced, and told apart by key."""

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


def test_structure_that_nobody_measured_is_unknown(structures: Structures) -> None:
    assert structures.known("k") == {}


def test_known_is_what_was_noted_last_and_says_of_whom(structures: Structures) -> None:
    structures.note("k", [latency(2.0), size(9.0)])
    structures.note("other", [size(1.0)], 3)
    structures.note("k", [latency(3.0)], 7)
    structures.note("k", [])
    found = structures.known("k")
    assert set(found) == {"latency", "size"}
    again = found["latency"]
    assert (again.value, again.low, again.high, again.count) == pytest.approx((3.0, 2.7, 3.3, 40))
    assert (again.unit, again.better, again.conditions) == ("ms", "lower", {"trial": 7})
    assert found["size"].conditions == {"untrained": True}
    assert structures.known("other")["size"].value == 1.0
