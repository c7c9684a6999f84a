"""Seeds torch's random numbers, thousands of times in a run."""

from __future__ import annotations

from functools import cache

import torch


def seed_torch(seed: int) -> None:
    """Does what `torch.manual_seed` does, without its cost where there is no accelerator.

    For each kind of device that is not in use, torch keeps the seed with the text of the whole call
    stack, in case that the device is used later. That takes as long as a small network's run.

    Args:
        seed: The seed.
    """
    if _has_accelerator():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


@cache
def _has_accelerator() -> bool:
    return torch.accelerator.is_available()
