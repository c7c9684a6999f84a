"""Tries learning rates by short trainings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from paretune.search.preflight.attempts import Refusal, attempt
from paretune.search.preflight.variants import NONE
from paretune.search.starting.facts import TriedOption, TriedRate
from paretune.search.starting.network_attempts import NetworkAttempts, full_params
from paretune.search.starting.ranges import RATES
from paretune.spaces.pruning import PRUNINGS
from paretune.spaces.training.recipe import Recipe


def tried_rates(
    networks: NetworkAttempts,
    recipe: Mapping[str, Any],
    trained: bool,
    brief: bool,
    pruned: TriedOption | None,
) -> Iterator[TriedRate]:
    """Yields the loss after a short training with each learning rate.

    A trained baseline is pruned before, since that is what finetuning starts from.

    Args:
        networks: Builds the networks.
        recipe: The training, with another rate.
        trained: Whether the baseline needs no training.
        brief: Whether only the usual rates are tried, and none beyond the lowest loss.
        pruned: Structured pruning that worked; None if none did.
    """
    pruning: dict[str, Any] = {NONE: {}}
    if pruned is not None and trained:
        pruning = {"structured": full_params(PRUNINGS, "structured", pruned.params)}
    stage = "finetune" if trained else "pretrain"
    lowest: float | None = None
    for lr in _rates_to_try(trained, brief):
        # Another schedule than elsewhere: a stage from the cache would report no loss.
        changed = {**recipe, "optimizer": {"adamw": {"lr": lr}}, "schedule": "constant"}
        full = Recipe.model_validate(changed).to_json()
        built = attempt(
            stage,
            lambda full=full: networks.build(**{"pruning": pruning, stage: full}),  # type: ignore[misc]
        )
        if isinstance(built, Refusal):
            yield TriedRate(lr, None)
            return  # a higher rate diverges as well
        loss = built.losses.get(stage)
        yield TriedRate(lr, loss)
        if brief and loss is not None and lowest is not None and loss > lowest:
            return  # the lowest loss lies below this rate
        lowest = loss


def _rates_to_try(trained: bool, brief: bool) -> Sequence[float]:
    """Returns the rates to try; the usual ones if the time is short."""
    if not brief:
        return RATES
    return RATES[:3] if trained else RATES[2:]
