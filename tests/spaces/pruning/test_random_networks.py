"""Random networks of difficult parts: pruned rightly, or refused with the name of a layer."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from support.pruning_fuzz import fuzz, fuzz_task

QUICK, MANY, MANY_TASKS = 12, 500, 60

EXPORTED = 4
"""One of so many networks is exported and run in ONNX Runtime."""


@pytest.mark.parametrize("seed", [*range(QUICK), 1052, 1603])
def test_random_network_equals_its_twin_or_is_refused(seed: int) -> None:
    fuzz(seed)


@pytest.mark.parametrize("seed", [*range(15), 485])
def test_random_task_equals_its_twin_or_is_refused(seed: int) -> None:
    """With several inputs and outputs, series, features and tokens."""
    fuzz_task(seed)


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("part", range(4))
def test_many_random_tasks_equal_their_twins_or_are_refused(part: int) -> None:
    count = int(os.environ.get("PARETUNE_FUZZ", MANY_TASKS)) // 4
    seeds = range(part * count, (part + 1) * count)
    outcomes = Counter(fuzz_task(seed).split(":")[0] for seed in seeds)
    assert outcomes["pruned"] + outcomes["partly"] > 0.75 * count


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("part", range(10))
def test_many_random_networks_equal_twin_and_file_or_are_refused(part: int, tmp_path: Path) -> None:
    """PARETUNE_FUZZ sets how many networks: 500 by default, 10,000 by hand."""
    count = int(os.environ.get("PARETUNE_FUZZ", MANY)) // 10
    outcomes: Counter[str] = Counter()
    for seed in range(part * count, (part + 1) * count):
        outcomes[fuzz(seed, tmp_path if seed % EXPORTED == 0 else None).split(":")[0]] += 1
    assert outcomes["pruned"] + outcomes["partly"] > 0.75 * count
