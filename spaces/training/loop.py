"""The one training loop, run as a whole or in parts; every stage that trains uses it."""

from __future__ import annotations

import copy
from collections.abc import Collection
from dataclasses import dataclass

import torch

from paretune.inputs import kind_of
from paretune.spaces.base import Candidate, Context, InfeasibleCandidate, Step
from paretune.spaces.finite import broken_tensor, infinite_constants
from paretune.spaces.seeding import seed_torch
from paretune.spaces.training.augment_fit import first_refusal
from paretune.spaces.training.compiling import compilation
from paretune.spaces.training.epochs import run_epochs
from paretune.spaces.training.recipe import Recipe
from paretune.spaces.training.snapshot import Saver, Snapshot
from paretune.spaces.training.training_state import TrainingState
from paretune.spaces.training.zeros import Zeros


@dataclass(frozen=True)
class TrainingPart:
    """The state of a training after some of its epochs.

    Attributes:
        candidate: The stage's result if the training ended here: on the CPU, in evaluation mode,
            with the mean weights or those of the best epoch if the recipe asks for them.
        snapshot: State from which the next part continues.
        over: Whether all epochs are done, or the training ended early.
    """

    candidate: Candidate
    snapshot: Snapshot
    over: bool


def train(
    candidate: Candidate,
    recipe: Recipe,
    context: Context,
    *,
    stage: str,
    resume: Snapshot | None = None,
    saver: Saver | None = None,
) -> Candidate:
    """Returns a trained copy of the candidate, on the CPU and in evaluation mode.

    The same seed gives the same weights on the same machine. torch's global random state is not
    changed.

    Args:
        candidate: The candidate to train; not changed.
        recipe: The recipe of the training.
        context: Provides data, device, seed, distillation with its teacher, and the report that is
            called after each epoch.
        stage: Name of the stage, for reports.
        resume: Snapshot of the same training, which was lost.
        saver: Saves snapshots while it runs; without a change to the weights.

    Raises:
        InfeasibleCandidate: The loss, a weight or a buffer became NaN or infinite. Or the loss is
            no scalar with a gradient, the teacher is missing or has other outputs, or the recipe
            does not fit the task, the data, the network or the machine.
    """
    trained, _ = _trained(
        candidate, recipe, context, stage, recipe.epochs, resume, keep=False, saver=saver
    )
    return trained


def train_part(
    candidate: Candidate,
    recipe: Recipe,
    context: Context,
    *,
    stage: str,
    until: int,
    resume: Snapshot | None = None,
    saver: Saver | None = None,
) -> TrainingPart:
    """Trains up to an epoch, from the start or from the end of an earlier part.

    On the same machine, parts give exactly the weights that `train` gives in one run. Each part
    starts with the weights, the optimizer's state and the random state at the end of an epoch.

        first = train_part(candidate, recipe, context, stage="finetune", until=3)
        ...                                # measure first.candidate, keep first.snapshot in a file
        last = train_part(
            candidate, recipe, context, stage="finetune", until=9, resume=first.snapshot
        )

    Args:
        candidate: The candidate that the *first* part was called with, for every part.
        recipe: The recipe; `epochs` is the length of the whole training, which schedules use. If
            the schedule is endless (`learning_rates.endless`), a later part may have more epochs
            than the first one; the rest of the recipe must be the same.
        context: As for `train`, with the same seed for every part. Only the epochs of this part are
            reported.
        stage: Name of the stage, for reports.
        until: The last epoch of this part, counted from the start; at most `recipe.epochs`.
        resume: Snapshot of the part before.
        saver: As for `train`.

    Raises:
        InfeasibleCandidate: As for `train`.
        ValueError: The snapshot belongs to another network.
    """
    last = min(until, recipe.epochs)
    trained, state = _trained(
        candidate, recipe, context, stage, last, resume, keep=True, saver=saver
    )
    assert state.snapshot is not None
    return TrainingPart(trained, state.snapshot, state.over)


def _trained(
    candidate: Candidate,
    recipe: Recipe,
    context: Context,
    stage: str,
    until: int,
    resume: Snapshot | None,
    keep: bool,
    saver: Saver | None,
) -> tuple[Candidate, TrainingState]:
    refusal = first_refusal(recipe.augment, kind_of(candidate.shape), context.data.task.targets)
    if refusal:
        raise InfeasibleCandidate(refusal)
    model = copy.deepcopy(candidate.model).to(context.device)
    with torch.random.fork_rng(), compilation(recipe.compile):
        seed_torch(context.seed)  # for dropout and other randomness inside the model
        state = TrainingState(model, recipe, context, stage, Zeros(model, candidate.history))
        run_epochs(state, until, resume, keep, saver)
    model = model.to("cpu").to(memory_format=torch.contiguous_format).eval()
    _check_finite(model, stage, infinite_constants(candidate.model))
    model.zero_grad(set_to_none=True)
    info = {"stage": stage, **state.info()}
    params = {
        "recipe": recipe.to_json(),
        "distillation": context.distillation.dump() if context.distillation else None,
    }
    return candidate.with_step(model, Step("train", params, info)), state


def _check_finite(model: torch.nn.Module, stage: str, constants: Collection[str]) -> None:
    """Refuses a network that diverged.

    Args:
        model: The trained network.
        stage: Name of the stage.
        constants: Names of tensors that were not finite before the training either, such as masks.

    Raises:
        InfeasibleCandidate: Another parameter or buffer is not finite.
    """
    broken = broken_tensor(model, constants)
    if broken:
        name, values = broken
        raise InfeasibleCandidate(
            f"{name} is not finite after {stage} ({values}): the training diverged. A smaller "
            "learning rate or `clip` may prevent it"
        )
