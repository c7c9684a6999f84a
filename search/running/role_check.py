"""Refuses workers that only train, or only measure, for studies that cannot be split."""

from __future__ import annotations

from paretune.search.errors import UserError
from paretune.search.study.role import Role
from paretune.search.study.spec import StudySpec


def refuse_role(spec: StudySpec, role: Role) -> None:
    """Returns if workers of a study may run only some kinds of stages.

    Raises:
        UserError: The study trains and measures at the same time.
    """
    if role is Role.ALL:
        return
    reason = None
    if spec.trainer is not None:
        reason = "`evaluate` trains and measures in one call"
    elif spec.racing is not None:
        reason = "`search.racing` measures trials while they train"
    if reason is not None:
        raise UserError(f"{spec.file.name}: --only {role.value}: {reason}; leave --only out")
