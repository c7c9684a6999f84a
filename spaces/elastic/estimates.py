"""Cheap estimates of subnets, straight from the elastic network."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from paretune.spaces.base import Candidate, Context
from paretune.spaces.elastic.arrangement import arrangement_of
from paretune.spaces.elastic.calibration import calibrate_shared, calibration_batches
from paretune.spaces.elastic.shared_network import SharedNetwork
from paretune.spaces.elastic.space import Choice
from paretune.spaces.pruning.training_loss import BATCH, batches
from paretune.spaces.training.batch_loss import BatchLoss
from paretune.spaces.training.example_count import example_count


@dataclass(frozen=True)
class SubnetEstimate:
    """How good a subnet is before any training of its own.

    Attributes:
        loss: Mean of the task's loss on training examples.
        correct: Share of correct examples, in [0, 1]; None if the task has no such number.
        examples: Number of examples.
    """

    loss: float
    correct: float | None
    examples: int


def estimates(
    candidate: Candidate,
    choices: Sequence[Choice],
    context: Context,
    images: int = 512,
    calibration: int = 512,
) -> list[SubnetEstimate]:
    """Returns an estimate for each choice; all on the same training examples.

    Args:
        candidate: An elastic network after its training.
        choices: Subnets; a dimension that a choice leaves out is that of the full network.
        context: Provides training examples and the device.
        images: Number of examples that are scored.
        calibration: Number of examples for the statistics of batch normalizations.

    Raises:
        InfeasibleCandidate: The candidate is no elastic network.
        ValueError: A choice is not in its space.
    """
    arrangement = arrangement_of(candidate)
    complete = [arrangement.space.checked(choice) for choice in choices]
    model = copy.deepcopy(candidate.model).to(context.device).eval()
    network = SharedNetwork(model, candidate, arrangement, context.device)
    loss = BatchLoss(context.data, None, device=context.device)
    inputs = list(calibration_batches(context, calibration))
    examples = list(batches(context, images, BATCH))
    result = []
    with torch.no_grad():
        for choice in complete:
            context.yield_to_measurements()
            tensors = network.tensors(choice)
            if choice != arrangement.space.full:
                calibrate_shared(network, choice, tensors, inputs)
            total, count = 0.0, 0
            right: float | None = 0.0
            for batch, targets in examples:
                outputs = network.run(choice, batch, tensors)
                size = example_count(batch)
                total += float(loss.total(outputs, targets, size))
                correct = context.data.task.correct(outputs, targets)
                right = None if correct is None or right is None else right + float(correct)
                count += size
            share = None if right is None else right / max(count, 1)
            result.append(SubnetEstimate(total / max(count, 1), share, count))
    return result
