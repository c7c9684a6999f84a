"""Convolutions of 1x1 with a stride, which oneDNN differentiates wrongly where they are narrow.

With few input channels and images in channels_last, the gradient of the weights is computed past
the end of a buffer: wrong numbers on two threads, a crash on one. That is so as of oneDNN 3.13
(https://github.com/uxlfoundation/oneDNN/issues/6035). Such shortcuts are in every narrow residual
network. Stride 1 is not affected, and for a kernel of one pixel it is the same to take every second
pixel first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

NARROW = 16
"""Input channels of a group from which on it is right: a block of AVX-512, two blocks of AVX2."""


@contextmanager
def correct_gradients(model: torch.nn.Module, device: str) -> Iterator[None]:
    """The network computes the same meanwhile, and its gradients are right.

    Args:
        model: Changed in place; as before at the end.
        device: Where it runs; only "cpu" needs it.
    """
    with ExitStack() as after:
        for module in model.modules() if device == "cpu" else ():
            after.enter_context(_picking(module))
        yield


@contextmanager
def _picking(module: torch.nn.Module) -> Iterator[None]:
    """A convolution that drops the pixels that its stride skips, and then has none."""
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

    def pick(_: torch.nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        return (inputs[0][..., ::down, ::across],)

    hook = module.register_forward_pre_hook(pick)
    module.stride = (1, 1)
    try:
        yield
    finally:
        module.stride = stride
        hook.remove()
