"""Batch sizes of a first training."""

from __future__ import annotations

import pytest

from paretune.search.starting.first_recipe import batch_size_for
from paretune.task import Per


@pytest.mark.parametrize(
    ("examples", "elements", "per", "size"),
    [
        (50_000, 3 * 32 * 32, "example", 128),
        (400, 64, "example", 16),  # 20 batches would have 20 examples
        (12, 64, "example", 4),  # half of the examples, as a power of two
        (50_000, 3 * 224 * 224, "example", 32),  # memory
        (160, 3 * 48 * 64, "pixel", 8),  # 20 batches; each example has thousands of outputs
        (40, 3 * 48 * 64, "cell", 4),
        (50_000, 3 * 512 * 512, "pixel", 1),
    ],
)
def test_batch_size_gives_enough_steps_and_fits_into_memory(
    examples: int, elements: int, per: Per, size: int
) -> None:
    assert batch_size_for(examples, elements, per) == size
