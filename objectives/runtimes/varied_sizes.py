"""Finds which axes of a network's outputs follow the batch and the sizes of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from paretune.inputs import Signature
from paretune.objectives.errors import Unmeasurable

BATCH = "batch"
"""Name of the first axis."""

Shapes = Mapping[str, tuple[int, ...]]
"""Output -> shape."""


def follows_sizes(
    signature: Signature,
    batch: int,
    shapes: Shapes,
    shapes_for: Callable[[Signature, int], Shapes],
    check_batch: bool,
) -> dict[str, dict[int, str]]:
    """Returns the axes of each output that vary: output -> {axis: name}.

    Args:
        signature: The inputs.
        batch: Size of the batch.
        shapes: Shapes of the outputs for these.
        shapes_for: Returns the shapes of the outputs for other sizes and another batch.
        check_batch: Check that the batch is the first axis of each output, and no other one.

    Raises:
        Unmeasurable: It is not, or the network fails for any other size of a dynamic axis.
    """
    if check_batch:
        _check_batch(shapes, shapes_for(signature, batch + 1), batch)
    axes: dict[str, dict[int, str]] = {name: {0: BATCH} for name in shapes}
    for dynamic in dynamic_axes(signature):
        size, varied = _other_size(signature, dynamic, lambda other: shapes_for(other, batch))
        old = dynamic_axes(signature)[dynamic]
        for name, before in shapes.items():
            for axis, length in enumerate(varied[name]):
                if length == before[axis]:
                    continue
                follows = (before[axis], length) == (old, size) and axis not in axes[name]
                axes[name][axis] = dynamic if follows else f"{name}_{axis}"
    return axes


def dynamic_axes(signature: Signature) -> dict[str, int]:
    """Returns the name of each dynamic axis -> its size, in order."""
    return {name: each.shape[axis] for each in signature.inputs for axis, name in each.dynamic}


def resized(signature: Signature, sizes: Mapping[str, int]) -> Signature:
    """Returns a signature with other sizes of dynamic axes.

    Args:
        signature: The inputs.
        sizes: Name of a dynamic axis -> its new size; other axes stay.
    """
    inputs = []
    for each in signature.inputs:
        names = dict(each.dynamic)
        new = tuple(sizes.get(names.get(axis, ""), size) for axis, size in enumerate(each.shape))
        inputs.append(replace(each, shape=new))
    return replace(signature, inputs=tuple(inputs))


def _check_batch(before: Shapes, after: Shapes, batch: int) -> None:
    for name, shape in before.items():
        expected = (batch + 1, *shape[1:])
        if shape[:1] != (batch,) or after[name] != expected:
            raise Unmeasurable(
                f"the output {name} has the shape {list(shape)} for a batch of {batch}, and "
                f"{list(after[name])} for one of {batch + 1}; the first axis of each output, and "
                "no other one, must be the batch"
            )


def _other_size(
    signature: Signature, name: str, shapes_of: Callable[[Signature], Shapes]
) -> tuple[int, Shapes]:
    """Returns another size of an axis that the network runs with, and the shapes for it."""
    errors: list[str] = []
    for size in _candidates(dynamic_axes(signature)[name]):
        try:
            return size, shapes_of(resized(signature, {name: size}))
        except Unmeasurable:
            raise
        except Exception as error:  # whatever the network raises for a size that it cannot take
            line = (str(error).strip().splitlines() or [""])[0]
            errors.append(f"with {size}: {type(error).__name__}: {line}")
    size = dynamic_axes(signature)[name]
    raise Unmeasurable(
        f"the axis {name} is declared dynamic, but the network runs with its size {size} only; "
        f"{errors[0]}"
    )


def _candidates(size: int) -> Iterator[int]:
    """Yields other sizes: twice and half as large, which strides divide as well, and by one."""
    yield 2 * size
    if size % 2 == 0:
        yield size // 2
    yield size + 1
    if size > 1:
        yield size - 1
