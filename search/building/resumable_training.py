"""Trainings that go on: from a shorter one that began alike, or from where they were held up."""

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


def shorter(cache: StageCache, link: Link, pace: Pace | None) -> Snapshot | None:
    """The longest training that began like a stage's: one that passes no interruption, if any."""
    key = _key(link, pace)
    if key is None:
        return None
    found = cache.snapshot(key, pace.epochs[0]) if pace and pace.epochs else None
    return found or cache.snapshot(key, link.epochs)


def trained(
    cache: StageCache,
    link: Link,
    candidate: Candidate,
    context: Context,
    resume: Snapshot | None,
    pace: Pace | None,
) -> Candidate:
    """What a training stage gives.

    Args:
        cache: Keeps what others may go on from.
        link: The stage.
        candidate: What is trained; for a part that goes on, what the first part was given.
        context: As for `train`.
        resume: Where to go on (`shorter`).
        pace: Where to interrupt it.

    Raises:
        HeldUp: It is not to go on for now; what it has come to is kept.
        InfeasibleCandidate: As `train`.
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
        assert pace is not None, "only those that are interrupted have more than one part"
        pace.interrupt(part.candidate, part.snapshot.epoch, part.snapshot.seconds)
    return part.candidate


def _key(link: Link, pace: Pace | None) -> str | None:
    """Under which key a stage's shorter trainings are kept; None where there are none."""
    return link.endless or (link.digest if pace else None)
