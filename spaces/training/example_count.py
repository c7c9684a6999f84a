"""The number of examples in a batch."""

from __future__ import annotations

import torch

from paretune.nests import Nest, leaves


def example_count(inputs: Nest) -> int:
    """Returns the length of the inputs' first axis.

    Targets do not tell it: boxes of a whole batch may be one long list.
    """
    return len(inputs) if isinstance(inputs, torch.Tensor) else len(leaves(inputs)[0])
