"""Checks that subnets with shared weights compute what the networks cut out compute."""

from __future__ import annotations

import copy
import random

import torch

from paretune.inputs import call, random_example
from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.elastic.arrangement import Arrangement
from paretune.spaces.elastic.shared_network import SharedNetwork
from paretune.spaces.elastic.subnet import Subnet
from paretune.spaces.output_layers import float_outputs

TOLERANCE = 1e-4
"""Largest difference of an output, as a share of the largest value, or of 1 if that is larger."""

SEED = 0


def check_subnets(candidate: Candidate, arrangement: Arrangement, context: Context) -> None:
    """Compares the smallest subnet and a random one with the networks cut out.

    Raises:
        InfeasibleCandidate: One of them does not run, or computes something else.
    """
    space = arrangement.space
    model = copy.deepcopy(candidate.model).cpu().eval()
    network = SharedNetwork(model, candidate, arrangement, "cpu")
    for choice in (space.smallest, space.drawn(random.Random(SEED))):
        cut = Subnet.outline(candidate, Subnet.Params(choice=choice), context)
        inputs = random_example(candidate.shape, 3, SEED)
        with torch.no_grad():
            expected = float_outputs(call(cut.model.eval(), inputs))
            try:
                outputs = float_outputs(network.run(choice, inputs, network.tensors(choice)))
            except Exception as error:  # any error of the network's own code
                raise InfeasibleCandidate(
                    f"elastic: a subnet with shared weights does not run ({space.text(choice)}: "
                    f"{type(error).__name__}: {error}); leave layers out by `ignore`"
                ) from error
        pairs = zip(outputs, expected, strict=True)
        if not all(_equal(output, like) for output, like in pairs):
            raise InfeasibleCandidate(
                f"elastic: a subnet with shared weights computes something else than the network "
                f"cut out ({space.text(choice)}); leave layers out by `ignore`"
            )


def _equal(output: torch.Tensor, expected: torch.Tensor) -> bool:
    if output.shape != expected.shape:
        return False
    finite = expected.isfinite()
    if not torch.equal(finite, output.isfinite()):
        return False
    output, expected = output[finite], expected[finite]
    scale = max(1.0, float(expected.abs().max())) if expected.numel() else 1.0
    return torch.allclose(output, expected, 0, TOLERANCE * scale)
