"""Leaves the process as it was: thread count, flushing of denormals and random streams."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from paretune.spaces.seeding import seed_torch


@contextmanager
def undisturbed() -> Iterator[None]:
    """Restores after the block what sessions of a runtime set for the whole process.

    A later training then gives the same weights as without the block.
    """
    threads, flushing = torch.get_num_threads(), _flushes_denormals()
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_num_threads(threads)
        torch.set_flush_denormal(flushing)


def seed_all(seed: int) -> None:
    """Seeds the random streams that a network's code may draw from."""
    random.seed(seed)
    np.random.seed(seed)
    seed_torch(seed)


def _flushes_denormals() -> bool:
    return float(torch.tensor(1e-310, dtype=torch.float64) * 1.0) == 0.0
