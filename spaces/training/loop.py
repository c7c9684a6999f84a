"""The one training: whole, or in parts. Fine-tuning and distillation are losses handed to it."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch

from paretune.spaces.base import Candidate, Context, InfeasibleCandidate, Step
from paretune.spaces.inputs import kind_of
from paretune.spaces.training.compiling import compilation
from paretune.spaces.training.epochs import Epochs
from paretune.spaces.training.recipe import Augment, Recipe
from paretune.spaces.training.snapshot import Snapshot
from paretune.spaces.training.zeros import Zeros


@dataclass(frozen=True)
class TrainingPart:
    """What a training has come to.

    Attributes:
        candidate: As the stage would give it if it ended here: on the CPU, in evaluation mode, with
            the mean weights or those of the best epoch where the recipe asks for them.
        snapshot: What goes on from here.
        over: All epochs are done, or it has ended early.
    """

    candidate: Candidate
    snapshot: Snapshot
    over: bool


def train(candidate: Candidate, recipe: Recipe, context: Context, *, stage: str) -> Candidate:
    """A trained copy of the candidate, on the CPU and in evaluation mode.

    The same seed gives the same weights on the same machine; torch's global random state is left
    as it was.

    Args:
        candidate: What to train; left as it was.
        recipe: How.
        context: Data, device, seed, distillation and its teacher, and who is told after each epoch.
        stage: Name of the stage, for reports.

    Raises:
        InfeasibleCandidate: The loss or a weight became NaN or infinite, the teacher is missing or
            has other classes, or the recipe does not fit the data, the network or the machine.
    """
    made, _ = _trained(candidate, recipe, context, stage, recipe.epochs, None, keep=False)
    return made


def train_part(
    candidate: Candidate,
    recipe: Recipe,
    context: Context,
    *,
    stage: str,
    until: int,
    resume: Snapshot | None = None,
) -> TrainingPart:
    """A training up to some epoch, from the start or from where an earlier part has stopped.

    Parts give the very weights that `train` gives in one go, on the same machine: each begins at
    the end of an epoch with the weights, the optimizer's state and the random state of that moment.

        first = train_part(candidate, recipe, context, stage="finetune", until=3)
        ...                                # measure first.candidate, keep first.snapshot in a file
        last = train_part(
            candidate, recipe, context, stage="finetune", until=9, resume=first.snapshot
        )

    Args:
        candidate: What the *first* part was given, and for every other part the same.
        recipe: How; `epochs` says how long the whole is, by which a schedule goes. Where the
            schedule is endless (`spaces.training.learning_rates.endless`) a part may go on by a recipe that
            is longer than the one that it began with, and differs in nothing else.
        context: As for `train`; the same seed for every part. Only this part's epochs are reported.
        stage: Name of the stage, for reports.
        until: The last epoch of this part, counted from the start; at most `recipe.epochs`.
        resume: Where an earlier part has stopped.

    Raises:
        InfeasibleCandidate: As `train`.
        ValueError: The snapshot is of another network.
    """
    last = min(until, recipe.epochs)
    made, epochs = _trained(candidate, recipe, context, stage, last, resume, keep=True)
    assert epochs.snapshot is not None
    return TrainingPart(made, epochs.snapshot, epochs.over)


def _trained(
    candidate: Candidate,
    recipe: Recipe,
    context: Context,
    stage: str,
    until: int,
    resume: Snapshot | None,
    keep: bool,
) -> tuple[Candidate, Epochs]:
    if recipe.augment != Augment() and kind_of(candidate.shape) == "text":
        raise InfeasibleCandidate("augmentation changes images, and the data is text")
    model = copy.deepcopy(candidate.model).to(context.device)
    with torch.random.fork_rng(), compilation(recipe.compile):
        torch.manual_seed(context.seed)  # dropout, and whatever the model draws itself
        epochs = Epochs(model, recipe, context, stage, Zeros(model, candidate.history))
        epochs.run(until, resume, keep)
    model = model.to("cpu").to(memory_format=torch.contiguous_format).eval()
    _check_finite(model, stage)
    model.zero_grad(set_to_none=True)
    info = {"stage": stage, **epochs.info()}
    params = {
        "recipe": recipe.to_json(),
        "distillation": context.distillation.dump() if context.distillation else None,
    }
    return candidate.with_step(model, Step("train", params, info)), epochs


def _check_finite(model: torch.nn.Module, stage: str) -> None:
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise InfeasibleCandidate(f"{name} is not finite after {stage}")
