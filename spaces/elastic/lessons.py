"""The losses of subnets in each step of an elastic training.

The sandwich rule: each step trains the full network on the targets, and the smallest and some
random subnets on the outputs of the full network (Yu and Huang 2019,
https://arxiv.org/abs/1903.05134).
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

from paretune.nests import Nest, mapped
from paretune.spaces.base import Candidate, Context
from paretune.spaces.distillation.base import Comparison, Lesson, comparison_of
from paretune.spaces.distillation.output_loss import weighted_output_loss
from paretune.spaces.elastic.arrangement import Arrangement, arrangement_of
from paretune.spaces.elastic.shared_network import SharedNetwork
from paretune.spaces.elastic.space import Choice

if TYPE_CHECKING:
    import torch


def elastic_context(candidate: Candidate, context: Context) -> Context:
    """Returns a context in which a training also trains the subnets of an arranged candidate.

    Raises:
        InfeasibleCandidate: The candidate has no arrangement.
    """
    arrangement = arrangement_of(candidate)

    def lessons(model: torch.nn.Module, ignore: int | None) -> SubnetLessons:
        network = SharedNetwork(model, candidate, arrangement, context.device)
        return SubnetLessons(network, arrangement, comparison_of(context.data.task, ignore))

    return replace(context, subnets=lessons)


class SubnetLessons:
    """Gives the subnets of each training step, and their losses.

    Args:
        network: Runs the subnets on the weights in training.
        arrangement: Provides the space.
        comparison: How the outputs of the subnets are compared with those of the full network.
    """

    def __init__(
        self, network: SharedNetwork, arrangement: Arrangement, comparison: Comparison
    ) -> None:
        self._network = network
        self._space = arrangement.space
        self._random = arrangement.random
        self._comparison = comparison

    def choices(self, seed: int, step: int) -> list[Choice]:
        """Returns the subnets of a step; the same for the same seed and step.

        Args:
            seed: Seed of the epoch.
            step: Number of the batch in its epoch, from 0.
        """
        generator = random.Random(f"{seed}/{step}")
        return [self._space.smallest, *(self._space.drawn(generator) for _ in range(self._random))]

    def loss(self, choice: Choice, inputs: Nest, targets: Nest, outputs: Nest) -> torch.Tensor:
        """Returns the loss of a subnet against the outputs of the full network, a scalar.

        Args:
            choice: The subnet.
            inputs: Inputs of the batch.
            targets: Targets of the batch.
            outputs: Outputs of the full network.
        """
        import torch

        self._network.modules(choice).train()
        tensors = self._network.tensors(choice)
        student = self._network.run(choice, inputs, tensors)
        taught = mapped(outputs, lambda x: x.detach() if isinstance(x, torch.Tensor) else x)
        lesson = Lesson(torch.zeros(()), student, taught, targets, comparison=self._comparison)
        return weighted_output_loss(lesson, 1.0, 1.0)
