"""Cheap estimates of subnets, straight from the elastic network."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from paretune.inputs import call
from paretune.nests import Nest
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
            result.append(
                _score(partial(network.run, choice, tensors=tensors), examples, loss, context)
            )
    return result


def network_estimate(
    model: torch.nn.Module, examples: Iterable[tuple[Nest, Nest]], context: Context
) -> SubnetEstimate:
    """Returns how good an ordinary network is on some examples.

    Args:
        model: The network; in evaluation mode and on the CPU at the end.
        examples: Batches of inputs and targets on the context's device.
        context: Provides the task and the device.
    """
    model.eval().to(context.device)
    loss = BatchLoss(context.data, None, device=context.device)
    with torch.no_grad():
        estimate = _score(partial(call, model), examples, loss, context)
    model.cpu()
    return estimate


def chance_level(context: Context, images: int) -> float | None:
    """Returns the share of the most frequent class among training examples; None without classes.

    Args:
        context: Provides the examples that `estimates` scores.
        images: Number of them.
    """
    counts: Counter[int] = Counter()
    for _, targets in batches(context, images, BATCH):
        if (
            not isinstance(targets, torch.Tensor)
            or targets.ndim != 1
            or targets.is_floating_point()
        ):
            return None
        counts.update(targets.tolist())
    return max(counts.values()) / counts.total() if counts else None


def _score(
    run: Callable[[Nest], Nest],
    examples: Iterable[tuple[Nest, Nest]],
    loss: BatchLoss,
    context: Context,
) -> SubnetEstimate:
    total, count = 0.0, 0
    right: float | None = 0.0
    for batch, targets in examples:
        outputs = run(batch)
        size = example_count(batch)
        total += float(loss.total(outputs, targets, size))
        correct = context.data.task.correct(outputs, targets)
        right = None if correct is None or right is None else right + float(correct)
        count += size
    share = None if right is None else right / max(count, 1)
    return SubnetEstimate(total / max(count, 1), share, count)
