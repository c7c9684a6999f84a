"""torch.compile for the forward pass of training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch._dynamo.exc import TorchDynamoException

from paretune.spaces.base import InfeasibleCandidate


@contextmanager
def compilation(wanted: bool) -> Iterator[None]:
    """What goes wrong in the compiler makes the candidate infeasible; nothing is left behind.

    Compiled code is kept for each class of network, and torch compiles no more after eight of them
    (`recompile_limit`): a search meets more, so what a stage compiled is dropped at its end.

    Raises:
        InfeasibleCandidate: The compiler cannot run on this machine, or not on this network.
    """
    if not wanted:
        yield
        return
    try:
        yield
    except TorchDynamoException as error:
        lines = str(error).strip().splitlines()
        first = " ".join(lines[:2] if lines[0].endswith(":") else lines[:1])
        raise InfeasibleCandidate(
            f"torch.compile cannot run here: {first}; type compile: false"
        ) from error
    finally:
        torch._dynamo.reset()
