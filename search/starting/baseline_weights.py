"""Tells where a baseline's weights come from, and opens its draft accordingly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from paretune.inputs import signature_of
from paretune.search.errors import UserError
from paretune.search.preflight.attempts import Refusal, attempt
from paretune.search.preflight.preflight import loaded
from paretune.search.starting.draft import Draft
from paretune.search.starting.facts import Weights
from paretune.search.starting.first_recipe import batch_size_for, first_recipe
from paretune.spaces.architecture import OWN_CODE
from paretune.spaces.rebuild import initial_candidate

if TYPE_CHECKING:
    from paretune.search.data.dataset import Dataset

PUBLISHED = {"torchvision": "weights", "timm": "pretrained", "transformers": "checkpoint"}
"""Architecture -> its option that loads published weights."""


def weights_of(draft: Draft, data: Dataset) -> Weights:
    """Returns where the weights of a draft's baseline come from.

    The user's code brings weights if it returns the same ones for two seeds.
    """
    assert draft.spec is not None
    baseline = draft.spec.baseline
    [(name, params)] = baseline.architecture.items()
    answer = attempt("pretrain", lambda: _equal_for_two_seeds(baseline.architecture, data))
    if isinstance(answer, Refusal):
        text = answer.text.removeprefix("UnknownName: ")
        raise UserError(f"{model_option(draft)}: cannot be built: {text}")
    if baseline.checkpoint is not None:
        return "checkpoint"
    if params.get(PUBLISHED.get(name, "")):
        return "published"
    return "code" if answer and name == OWN_CODE else "random"


def model_option(draft: Draft) -> str:
    """Returns the command-line option that names the model."""
    request = draft.request
    return f"--model {request.model}" if request.model else f"--task {request.task}"


def _equal_for_two_seeds(architecture: Mapping[str, Any], data: Dataset) -> bool:
    import torch

    task = data.task
    first, second = (
        initial_candidate(architecture, data.shape, task.outputs, seed, task.keep).model
        for seed in (0, 1)
    )
    weights = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in weights)


def open_draft(draft: Draft, data: Dataset, weights: Weights) -> Dataset:
    """Writes the first recipe of an untrained baseline into its draft; returns the data again.

    The parts of the data depend on whether the baseline's weights may have seen it.

    Args:
        draft: The draft.
        data: Its data, loaded once.
        weights: Where the baseline's weights come from.
    """
    if weights in ("checkpoint", "code"):
        draft.set_baseline(pretrain=None)
    else:
        batch = batch_size_for(data.size("train"), elements(data), data.task.outputs.per)
        draft.set_baseline(pretrain=first_recipe(batch, data.loader_batch, weights))
    spec = draft.check()
    return loaded(spec, draft.document().where)


def elements(data: Dataset) -> int:
    """Returns the numbers in one input."""
    return sum(math.prod(each.shape) for each in signature_of(data.shape).inputs)
