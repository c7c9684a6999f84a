"""torch.compile for the forward pass of training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from paretune.spaces.base import InfeasibleCandidate


@contextmanager
def compilation(enabled: bool) -> Iterator[None]:
    """Turns compiler errors into InfeasibleCandidate, and drops compiled code at the end.

    torch keeps compiled code for each class of network and stops compiling after eight versions
    (`recompile_limit`). A search has more networks, so each stage drops its compiled code.

    Raises:
        InfeasibleCandidate: The compiler cannot run on this machine, or not on this network.
    """
    if not enabled:
        yield
        return
    from torch._dynamo.exc import TorchDynamoException  # slow to import

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
