"""Trains a stage from a snapshot of a shorter, paused or lost training."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from paretune.search.building.watch import TrainingPaused
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.training.loop import train, train_part
from paretune.spaces.training.recipe import Recipe

if TYPE_CHECKING:
    from paretune.search.building.stage_cache import StageCache
    from paretune.search.building.stage_keys import Link
    from paretune.search.building.watch import Pace
    from paretune.spaces.base import Candidate, Context
    from paretune.spaces.training.snapshot import Snapshot

_log = logging.getLogger(__name__)

SAVE_EVERY = 30.0
"""Seconds of training that a lost worker costs, about, or an epoch if that is longer."""

SHARE = 0.05
"""Largest share of a training's time in which its snapshots are written."""


def snapshot_for(cache: StageCache, link: Link, pace: Pace | None) -> Snapshot | None:
    """Returns the longest snapshot to start from, preferably one before the next rung."""
    if not link.stage.params.get("recipe"):
        return None  # a technique that trains, such as a quantization, has no epochs here
    keys = [key for key in (_progress_key(link), _key(link, pace)) if key is not None]
    for limit in (*((pace.epochs[0],) if pace and pace.epochs else ()), link.epochs):
        kept = [s for key in keys if (s := cache.snapshot(key, limit)) is not None]
        if kept:
            return max(kept, key=lambda snapshot: snapshot.epoch)
    return None


def drop_progress(cache: StageCache, link: Link) -> None:
    """Drops the snapshot of a stage's running training, which has ended."""
    cache.forget(_progress_key(link))


def train_stage(
    cache: StageCache,
    link: Link,
    candidate: Candidate,
    context: Context,
    resume: Snapshot | None,
    pace: Pace | None,
) -> Candidate:
    """Trains a candidate, and keeps snapshots for trainings that continue it.

    The snapshot of the running training stays, as the stage is not in the cache yet; call
    `drop_progress` when it is.

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
    try:
        return _trained(cache, link, candidate, context, resume, pace)
    except (InfeasibleCandidate, TrainingPaused):
        drop_progress(cache, link)
        raise


def _trained(
    cache: StageCache,
    link: Link,
    candidate: Candidate,
    context: Context,
    resume: Snapshot | None,
    pace: Pace | None,
) -> Candidate:
    recipe = Recipe.model_validate(link.stage.params["recipe"])
    kind, key, saver = link.stage.kind, _key(link, pace), _Progress(cache, link)
    if key is None:
        return train(candidate, recipe, context, stage=kind, resume=resume, saver=saver)
    done = resume.epoch if resume else 0
    for until in (*(e for e in (pace.epochs if pace else ()) if e >= done), recipe.epochs):
        part = train_part(
            candidate, recipe, context, stage=kind, until=until, resume=resume, saver=saver
        )
        resume = part.snapshot
        if link.endless or not part.over:
            cache.keep(key, kind, part.snapshot)
        if part.over:
            break
        assert pace is not None, "only an interrupted training has more than one part"
        pace.interrupt(part.candidate, part.snapshot.epoch, part.snapshot.seconds)
    return part.candidate


class _Progress:
    """Saves a long training from time to time, so that another worker can go on with it.

    Args:
        cache: Keeps its last snapshot.
        link: The stage.
    """

    def __init__(self, cache: StageCache, link: Link) -> None:
        self._cache = cache
        self._link = link
        self._saved = time.monotonic()
        self._pause = SAVE_EVERY

    def is_due(self) -> bool:
        """Returns whether enough time has passed since the last snapshot."""
        return time.monotonic() - self._saved >= self._pause

    def save(self, snapshot: Snapshot) -> None:
        """Keeps a snapshot in place of the last one."""
        begun, key = time.monotonic(), _progress_key(self._link)
        try:
            if not snapshot.state.get("loop", {}).get("repeat"):  # else it is of no use
                self._cache.keep(key, self._link.stage.kind, snapshot)
                self._cache.forget(key, but=snapshot.epoch)
        except OSError as error:  # such as a full disk, which may have room at the end
            _log.warning("%s: no snapshot of the training: %s", self._link.stage.kind, error)
        self._saved = time.monotonic()
        self._pause = max(SAVE_EVERY, (self._saved - begun) / SHARE)


def _key(link: Link, pace: Pace | None) -> str | None:
    """Returns the key of the snapshots of shorter or paused trainings; None if there are none."""
    return link.endless or (link.digest if pace else None)


def _progress_key(link: Link) -> str:
    """Returns the key of the snapshot of a running training, of this length only."""
    return f"{link.digest}-running"
