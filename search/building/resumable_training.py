"""Trains a stage from a snapshot of a shorter or paused training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paretune.spaces.training.loop import train, train_part
from paretune.spaces.training.recipe import Recipe

if TYPE_CHECKING:
    from paretune.search.building.stage_cache import StageCache
    from paretune.search.building.stage_keys import Link
    from paretune.search.building.watch import Pace
    from paretune.spaces.base import Candidate, Context
    from paretune.spaces.training.snapshot import Snapshot


def snapshot_for(cache: StageCache, link: Link, pace: Pace | None) -> Snapshot | None:
    """Returns the longest snapshot to start from, preferably one before the next rung."""
    key = _key(link, pace)
    if key is None:
        return None
    before_rung = cache.snapshot(key, pace.epochs[0]) if pace and pace.epochs else None
    return before_rung or cache.snapshot(key, link.epochs)


def train_stage(
    cache: StageCache,
    link: Link,
    candidate: Candidate,
    context: Context,
    resume: Snapshot | None,
    pace: Pace | None,
) -> Candidate:
    """Trains a candidate, and keeps snapshots for trainings that continue it.

    Args:
        cache: Keeps the snapshots.
        link: The stage.
        candidate: Candidate before the first epoch of the training.
        context: As for `train`.
        resume: Snapshot to start from (`snapshot_for`).
        pace: Rungs at which to interrupt the training.

    Raises:
        TrainingPaused: Racing pauses the trial; its snapshot is kept.
        InfeasibleCandidate: As for `train`.
    """
    recipe = Recipe.model_validate(link.stage.params["recipe"])
    kind, key = link.stage.kind, _key(link, pace)
    if key is None:
        return train(candidate, recipe, context, stage=kind)
    done = resume.epoch if resume else 0
    for until in (*(e for e in (pace.epochs if pace else ()) if e >= done), recipe.epochs):
        part = train_part(candidate, recipe, context, stage=kind, until=until, resume=resume)
        resume = part.snapshot
        if link.endless or not part.over:
            cache.keep(key, kind, part.snapshot)
        if part.over:
            break
        assert pace is not None, "only an interrupted training has more than one part"
        pace.interrupt(part.candidate, part.snapshot.epoch, part.snapshot.seconds)
    return part.candidate


def _key(link: Link, pace: Pace | None) -> str | None:
    """Returns the key of a stage's snapshots; None if it keeps none."""
    return link.endless or (link.digest if pace else None)
