"""What a study needs before a cluster may run it."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.engine import make_url

from paretune.search.errors import UserError
from paretune.search.study.resource_options import ResourceParams
from paretune.search.study.spec import StudySpec


def refuse_unshared(spec: StudySpec, timed: bool | None = None) -> None:
    """Returns if workers on several hosts can share a study.

    Args:
        spec: The study.
        timed: Whether its objectives take times; None: found out here.

    Raises:
        UserError: It lacks something; the text names all of it.
    """
    reasons = list(_lacking(spec, takes_times(spec) if timed is None else timed))
    if reasons:
        lines = "".join(f"\n  {reason}" for reason in reasons)
        raise UserError(f"{spec.file.name}: workers on several hosts cannot share it:{lines}")


def resources_of(spec: StudySpec) -> ResourceParams:
    """Returns what each kind of stage reserves."""
    return spec.resources or ResourceParams()


def takes_times(spec: StudySpec) -> bool:
    """Returns whether a study of the built-in stages takes times."""
    from paretune.search.measuring.structural_constraints import timed
    from paretune.search.study.quantity import Quantity
    from paretune.search.study.tables import OBJECTIVES

    if spec.trainer is not None:
        return False
    names = [o.name for o in spec.objectives]
    names += [c.quantity for c in (*spec.constraints, *spec.goals)]
    objectives = [Quantity.of(name).objective for name in names]
    return any(name in OBJECTIVES.names and timed(name) for name in objectives)


def _lacking(spec: StudySpec, timed: bool) -> Iterator[str]:
    if make_url(spec.storage).get_backend_name() == "sqlite":
        yield (
            "storage: a SQLite file is for one host; give a server: "
            "storage: postgresql://USER@HOST/DATABASE"
        )
    if spec.trainer is None and spec.files is None:
        yield (
            "files: trained networks and artifacts need a store that each host reaches: "
            "files: s3://BUCKET/STUDY, or a shared folder"
        )
    if timed and resources_of(spec).measure.host is None:
        yield (
            "resources: times would be taken on any host; name one: "
            "resources: {measure: {host: HOST}}"
        )
