"""The change of a study before it is taken up: for `check`, and for the first step of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from paretune.search.changing.change import StudyChange, change_of
from paretune.search.changing.stored_study import is_changed, read_stored
from paretune.search.database.reader import StudyReader
from paretune.search.database.rows import Rows, open_rows
from paretune.search.errors import UserError
from paretune.search.trial.resume_check import ABSENT, Difference, differences

if TYPE_CHECKING:
    from paretune.search.study.spec import StudySpec

RANGE_KEYS = ("float", "int", "log", "step")
"""The last keys of a range of numbers."""


def change_preview(spec: StudySpec) -> StudyChange | None:
    """Returns the change from the stored study to its file; writes nothing.

    Returns:
        None if the study is new, unchanged, or if its database cannot be read: a run says why.

    Raises:
        UserError: Something changed that all trials depend on.
    """
    with _stored_rows(spec) as rows:
        if rows is None or not is_changed(rows, spec):
            return None
        return change_of(read_stored(rows), spec)


def has_changed(spec: StudySpec) -> bool:
    """Returns whether the study file differs from the stored study.

    Raises:
        UserError: Something changed that all trials depend on.
    """
    with _stored_rows(spec) as rows:
        return rows is not None and is_changed(rows, spec)


def brings_new_parts(spec: StudySpec) -> bool:
    """Returns whether a changed study file has techniques or objectives that were never tried.

    Raises:
        UserError: Something changed that all trials depend on.
    """
    with _stored_rows(spec) as rows:
        if rows is None:
            return False
        return any(map(_is_new_part, differences(StudyReader(rows).study()["identity"], spec)))


def _is_new_part(change: Difference) -> bool:
    parts = change.key.split(".")  # of `constraints` there is one part only
    section, last = parts[0], parts[-1]
    if section not in ("space", "objectives", "teachers") or change.new == ABSENT:
        return False
    is_number = isinstance(change.new, int | float) and not isinstance(change.new, bool)
    return last not in RANGE_KEYS and last != "worst" and not is_number


@contextmanager
def _stored_rows(spec: StudySpec) -> Iterator[Rows | None]:
    """Opens the database of a study for reading; gives None if there is no readable study."""
    try:
        opened = open_rows(spec.storage)
        rows = opened.__enter__()
        StudyReader(rows).study()
    except UserError:
        yield None
        return
    try:
        yield rows
    finally:
        opened.__exit__(None, None, None)
