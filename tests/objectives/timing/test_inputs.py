"""The inputs that networks are timed with: real examples in the form and sizes of the network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from paretune.inputs import Input, Shape, Signature
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.timing.inputs import validation_batch


class Batches:
    """Data whose loader gives these batches, whatever size is asked for."""

    def __init__(self, shape: Shape, *batches: Any) -> None:
        self.shape = shape
        self._batches = batches

    def arrays(self, part: str, batch_size: int) -> Iterator[tuple[Any, Any]]:
        assert part == "validation"
        yield from ((inputs, None) for inputs in self._batches)


def numbered(start: int, count: int) -> np.ndarray:
    return np.arange(start, start + count, dtype=np.float32)[:, None] * np.ones((1, 3), np.float32)


def first_column(data: Any, batch: int) -> list[float]:
    [array] = validation_batch(data, batch)
    assert array.flags.c_contiguous and array.dtype == np.float32
    return array[:, 0].tolist()  # type: ignore[no-any-return]


def test_examples_come_from_as_many_batches_as_are_needed_and_repeat() -> None:
    data = Batches((3,), numbered(0, 2), numbered(2, 2), numbered(4, 1))
    assert first_column(data, 1) == [0]
    assert first_column(data, 3) == [0, 1, 2]
    assert first_column(data, 8) == [0, 1, 2, 3, 4, 0, 1, 2]


def test_dynamic_axes_have_the_size_of_the_signature() -> None:
    axes = ((1, "height"), (2, "width"))
    shape = Signature((Input("image", (1, 4, 2), dynamic=axes),), "dict")
    wide = np.arange(12, dtype=np.float32).reshape(1, 1, 2, 6)
    tall = np.arange(5, dtype=np.float32).reshape(1, 1, 5, 1)
    [array] = validation_batch(Batches(shape, {"image": wide}, {"image": tall}), 2)
    assert array[0, 0].tolist() == [[0, 1], [6, 7], [0, 1], [6, 7]]
    assert array[1, 0].tolist() == [[0, 0], [1, 1], [2, 2], [3, 3]]


def test_several_inputs_are_in_the_order_of_the_signature() -> None:
    shape = Signature((Input("b", (3,)), Input("a", (2,), "int64")), "dict")
    batch = {"a": np.ones((2, 2), np.int64), "b": numbered(0, 2).astype(np.float64)}
    first, second = validation_batch(Batches(shape, batch), 2)
    assert (first.shape, first.dtype) == ((2, 3), np.float32)
    assert (second.shape, second.dtype) == ((2, 2), np.int64)


def test_part_without_examples_is_unmeasurable() -> None:
    with pytest.raises(Unmeasurable, match="the validation part has no examples"):
        validation_batch(Batches((3,)), 1)  # type: ignore[arg-type]


def test_examples_of_another_shape_are_unmeasurable() -> None:
    with pytest.raises(Unmeasurable, match=r"input: float32 \[B, 4\] expected, float32 \[2, 3\]"):
        validation_batch(Batches((4,), numbered(0, 2)), 1)  # type: ignore[arg-type]
