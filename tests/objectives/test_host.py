"""Facts about the machine."""

from __future__ import annotations

import json
import os

from paretune.objectives.host import cores, fingerprint, frequency, load_average


def test_fingerprint_is_json_and_the_same_each_time() -> None:
    facts = fingerprint()
    assert json.loads(json.dumps(facts)) == facts == fingerprint()
    assert facts["cpu"]
    assert facts["cores"] == cores()
    assert set(facts) == {"host", "cpu", "cores", "memory_bytes", "system", "machine"}


def test_cores_are_at_least_1_and_at_most_the_machine_s() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)


def test_load_average_is_none_or_not_negative() -> None:
    load = load_average()
    assert load is None or load >= 0


def test_frequency_is_none_or_positive() -> None:
    clock = frequency()
    assert clock is None or clock > 0
