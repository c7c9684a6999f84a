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

SAVE_EVERY = 60.0
"""Seconds of training that a lost host costs, about, if the study has a store."""


def snapshot_for(cache: StageCache, link: Link, pace: Pace | None) -> Snapshot | None:
    """Returns the longest snapshot to start from, preferably one before the next rung."""
    key = _key(cache, link, pace)
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
    kind, key = link.stage.kind, _key(cache, link, pace)
    if key is None:
        return train(candidate, recipe, context, stage=kind)
    saving = _Saving(cache, key, kind)
    done = resume.epoch if resume else 0
    for rung in (*(e for e in (pace.epochs if pace else ()) if e >= done), recipe.epochs):
        while True:
            until = saving.until(resume, rung)
            part = train_part(candidate, recipe, context, stage=kind, until=until, resume=resume)
            resume = part.snapshot
            if part.over or resume.epoch >= rung:
                break
            saving.keep(part.snapshot)
        if link.endless or not part.over:
            cache.keep(key, kind, part.snapshot)
        if part.over:
            break
        assert pace is not None, "only an interrupted training has rungs"
        pace.interrupt(part.candidate, part.snapshot.epoch, part.snapshot.seconds)
    saving.drop()
    return part.candidate


class _Saving:
    """Saves a long training from time to time into a store, so that another host can go on.

    Without a store there is nothing to go on with elsewhere, and a training has no more parts than
    its rungs.
    """

    def __init__(self, cache: StageCache, key: str, kind: str) -> None:
        self._cache = cache
        self._key = key
        self._kind = kind
        self._kept: list[int] = []  # epochs; the snapshot of a rung is none of them

    def until(self, resume: Snapshot | None, rung: int) -> int:
        """Returns the epoch at which the next part ends."""
        if self._cache.shared is None:
            return rung
        if resume is None or not resume.epoch:
            return min(1, rung)
        per_epoch = max(resume.seconds / resume.epoch, 1e-3)
        return min(rung, resume.epoch + max(1, round(SAVE_EVERY / per_epoch)))

    def keep(self, snapshot: Snapshot) -> None:
        """Keeps a snapshot in place of the last one."""
        if snapshot.seconds >= SAVE_EVERY / 2:
            self._cache.keep(self._key, self._kind, snapshot)
            self.drop()
            self._kept.append(snapshot.epoch)

    def drop(self) -> None:
        """Drops what was kept until now."""
        for epoch in self._kept:
            self._cache.forget(self._key, epoch)
        self._kept.clear()


def _key(cache: StageCache, link: Link, pace: Pace | None) -> str | None:
    """Returns the key of a stage's snapshots; None if it keeps none."""
    return link.endless or (link.digest if pace or cache.shared is not None else None)
