"""The sizes of images that a network can run at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from paretune.inputs import Shape, call, image_shape, kind_of, shape_text, varies
from paretune.nests import named_leaves
from paretune.spaces.base import Candidate, InfeasibleCandidate

if TYPE_CHECKING:
    import torch

    from paretune.spaces.architecture.resizing import Resized


def resolutions(
    model: torch.nn.Module, candidate: Candidate, sides: Sequence[int]
) -> tuple[float, ...]:
    """Returns the shorter sides that a subnet may have, ascending, with the full one at the end.

    Empty without `sides`.

    Args:
        model: The candidate's network, on the CPU and in evaluation mode.
        candidate: Provides the shape and the outputs.
        sides: Shorter sides in pixels; that of the images themselves may be among them.

    Raises:
        InfeasibleCandidate: The inputs are no images of one size, a side is larger than the images,
            or the network does not run at a side.
    """
    if not sides:
        return ()
    shape = candidate.shape
    if kind_of(shape) != "images" or varies(shape):
        raise InfeasibleCandidate(
            f"resolution: only images of one size can be resized, and the network takes "
            f"{shape_text(shape)}; leave resolution out"
        )
    full = min(image_shape(shape)[1:])
    if sides[-1] > full:
        raise InfeasibleCandidate(
            f"resolution: the images have {shape_text(shape)}; give sides below {full}, not "
            f"{sides[-1]}"
        )
    smaller = [side for side in sides if side < full]
    for side in smaller:
        _check_runs(model, candidate, side)
    return (*map(float, smaller), float(full)) if smaller else ()


def resized(network: torch.nn.Module, shape: Shape, side: int, back: bool) -> Resized:
    """Returns a network that resizes its images first, and keeps their ratio.

    Args:
        network: The network.
        shape: Shape of the images.
        side: Shorter side after resizing, in pixels.
        back: The network gives masks, which return in the size of the images.
    """
    from paretune.spaces.architecture.resizing import Resized

    _, height, width = image_shape(shape)
    scale = side / min(height, width)
    after = max(1, round(height * scale)), max(1, round(width * scale))
    return Resized(network, (height, width), after, back)


def _check_runs(model: torch.nn.Module, candidate: Candidate, side: int) -> None:
    """Refuses a side at which the network does not run, or gives outputs of another shape."""
    import torch

    from paretune.spaces.output_layers import typed_example

    images = typed_example(model, candidate.shape)
    smaller = resized(model, candidate.shape, side, candidate.outputs.per == "pixel")
    with torch.no_grad():
        expected = _shapes(call(model, images))
        try:
            outputs = _shapes(call(smaller, images))
        except Exception as error:  # any error of the network's own code
            raise InfeasibleCandidate(
                f"resolution: the network has a fixed size of images, {side} pixels do not run "
                f"({type(error).__name__}: {error}); leave resolution out"
            ) from error
    if outputs != expected:
        raise InfeasibleCandidate(
            f"resolution: with {side} pixels the network gives outputs of another shape "
            f"({_text(outputs)} instead of {_text(expected)}); leave resolution out"
        )


def _shapes(outputs: object) -> dict[str, tuple[int, ...]]:
    return {name: tuple(getattr(leaf, "shape", ())) for name, leaf in named_leaves(outputs).items()}


def _text(shapes: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {list(shape)}".lstrip() for name, shape in shapes.items())
