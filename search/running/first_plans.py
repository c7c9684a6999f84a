"""The plans that a run tries first: those of the study file, and those of another study."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from paretune.search.database.origins import Origins
from paretune.search.study.partial_assignment import AssignmentError, SpaceNames

if TYPE_CHECKING:
    import sqlalchemy as sa

    from paretune.search.study.spec import StudySpec


def plans_to_try_first(spec: StudySpec, engine: sa.Engine) -> list[Mapping[str, Any]]:
    """Returns parameter name -> value for each plan, those of the study file before the others.

    Plans that were taken over stay in the database. The space may have changed since; those that
    lie outside it now are left out.

    Args:
        spec: The study.
        engine: Its database.
    """
    names = SpaceNames(spec.space)
    plans = list(spec.first)
    for plan in Origins(engine).hints():
        with suppress(AssignmentError):
            plans.append(names.assignment(plan))
    return plans
