"""Measurements."""

from __future__ import annotations

import dataclasses

import pytest

from paretune.objectives.base import Measurement


def test_measurement_is_frozen_and_becomes_json_with_all_its_fields() -> None:
    size = Measurement("size", 3.0, "bytes", "lower", 3.0, 3.0, conditions={"runtime": "x"})
    assert size.to_json() == {
        "name": "size",
        "value": 3.0,
        "unit": "bytes",
        "better": "lower",
        "low": 3.0,
        "high": 3.0,
        "count": 1,
        "conditions": {"runtime": "x"},
    }
    assert Measurement(**size.to_json()) == size
    with pytest.raises(dataclasses.FrozenInstanceError):
        size.value = 4.0  # type: ignore[misc]
