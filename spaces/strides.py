"""A workaround for oneDNN's wrong gradients of narrow 1x1 convolutions with a stride.

With few input channels and images in channels_last, oneDNN accesses memory past a buffer for the
gradient of the weights: wrong numbers on two threads, a crash on one. oneDNN 3.13 still has the
bug (https://github.com/uxlfoundation/oneDNN/issues/6035). Every narrow residual network has such
shortcuts. Stride 1 is not affected. With a kernel of one pixel, dropping the skipped pixels first
and then using stride 1 computes the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

NARROW = 16
"""Gradients are right from this many input channels per group: one AVX-512 block, two of AVX2."""


@contextmanager
def correct_gradients(model: torch.nn.Module, device: str) -> Iterator[None]:
    """Makes a network's gradients right inside the context; its outputs stay the same.

    Args:
        model: Changed in place, and restored at the end.
        device: Device the network runs on; only "cpu" needs the workaround.
    """
    with ExitStack() as stack:
        for module in model.modules() if device == "cpu" else ():
            stack.enter_context(_stride_moved_to_input(module))
        yield


@contextmanager
def _stride_moved_to_input(module: torch.nn.Module) -> Iterator[None]:
    """Lets a narrow 1x1 convolution drop the skipped pixels itself and use stride 1."""
    import torch

    if (
        not isinstance(module, torch.nn.Conv2d)
        or {*module.kernel_size} != {1}
        or {*module.stride} == {1}
        or module.padding not in {(0, 0), "valid"}
        or module.in_channels // module.groups >= NARROW
    ):
        yield
        return
    down, across = stride = module.stride

    def drop_pixels(_: torch.nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        return (inputs[0][..., ::down, ::across],)

    hook = module.register_forward_pre_hook(drop_pixels)
    module.stride = (1, 1)
    try:
        yield
    finally:
        module.stride = stride
        hook.remove()
