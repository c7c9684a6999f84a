"""Trains the network of a subnet alone, to compare it with the subnet of an elastic training."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from paretune.spaces.base import Candidate, Context
from paretune.spaces.elastic.arrangement import TECHNIQUE
from paretune.spaces.elastic.estimates import SubnetEstimate, network_estimate
from paretune.spaces.elastic.space import Choice
from paretune.spaces.elastic.subnet import Subnet
from paretune.spaces.pruning.training_loss import BATCH
from paretune.spaces.training.loop import train
from paretune.spaces.training.recipe import Recipe

STAGE = "alone"


@dataclass(frozen=True)
class SubnetComparison:
    """A subnet of an elastic network and the same network trained alone, on validation examples.

    Attributes:
        before: Right after the elastic training.
        finetuned: After finetuning; equal to `before` without any.
        alone: Cut out of the network before the elastic training, and trained alone.
        seconds: Seconds of the training alone.
    """

    before: SubnetEstimate
    finetuned: SubnetEstimate
    alone: SubnetEstimate
    seconds: float


def compared_with_alone(
    source: Candidate,
    elastic: Candidate,
    choice: Choice,
    recipe: Recipe,
    finetune_epochs: int,
    context: Context,
) -> SubnetComparison:
    """Trains the network of a subnet alone, as long as the elastic network was trained.

    Args:
        source: The network before the elastic training.
        elastic: The network after it.
        choice: A complete choice of its space.
        recipe: Recipe of the elastic training.
        finetune_epochs: Epochs of the subnet's finetuning, by the same recipe.
        context: Provides the data, device and seed.

    Raises:
        InfeasibleCandidate: A training diverges.
    """
    subnet = Subnet.apply(elastic, Subnet.Params(choice=choice), context)
    finetuned = subnet
    if finetune_epochs:
        shorter = recipe.model_copy(update={"epochs": finetune_epochs})
        finetuned = train(subnet, shorter, context, stage="finetune")
    cut = Subnet.apply(_arranged_like(source, elastic), Subnet.Params(choice=choice), context)
    begun = time.perf_counter()
    alone = train(cut, recipe, context, stage=STAGE)
    seconds = time.perf_counter() - begun
    before, after, other = (_validated(each, context) for each in (subnet, finetuned, alone))
    return SubnetComparison(before, after, other, seconds)


def _arranged_like(source: Candidate, elastic: Candidate) -> Candidate:
    """Returns the network before the elastic training, with the order of the trained one."""
    step = next(step for step in reversed(elastic.history) if step.technique == TECHNIQUE)
    return replace(source, history=(*source.history, step))


def _validated(candidate: Candidate, context: Context) -> SubnetEstimate:
    examples = context.data.batches("validation", BATCH, device=context.device)
    return network_estimate(candidate.model, examples, context)
