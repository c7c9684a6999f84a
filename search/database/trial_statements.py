"""The statements that every trial uses, built once: building one takes longer than executing it.

A trial of many workers costs mostly its statements, so one statement reads what a step needs.
"""

from __future__ import annotations

import sqlalchemy as sa

from paretune.search.database import tables

_T = tables.trials.c

_NEWEST = sa.select(sa.func.max(tables.versions.c.number)).scalar_subquery()

INSERT = sa.insert(tables.trials)

INSERT_MEASUREMENTS = sa.insert(tables.measurements)

INSERT_EXAMPLES = sa.insert(tables.examples)

END = sa.update(tables.trials).where(_T.number == sa.bindparam("of"))

OWNER = sa.select(_T.worker).where(_T.number == sa.bindparam("of"))

END_STATE = sa.select(_T.worker, _T.state, _T.finished, _NEWEST.label("newest")).where(
    _T.number == sa.bindparam("of")
)
"""Whose trial it is before its end, whether it has ended, and the newest version of the study."""

_SAME_COLUMNS = (_T.number, _T.state, _T["values"])

_HAS_PLAN = sa.and_(_T.plan_key == sa.bindparam("key"), _T.repeat_of.is_(None))

SAME_PLAN = sa.select(*_SAME_COLUMNS).where(_HAS_PLAN).order_by(_T.number)

_WANTED = sa.select(sa.func.count()).where(_T.number == sa.bindparam("wanted"))

_STUDY = sa.select(
    _NEWEST.label("newest"),
    sa.select(sa.func.max(_T.number)).scalar_subquery().label("last"),
    _WANTED.scalar_subquery().label("is_taken"),
).subquery("study")

BEGIN_STATE = (
    sa.select(_STUDY, *_SAME_COLUMNS)
    .select_from(_STUDY.outerjoin(tables.trials, _HAS_PLAN))
    .order_by(_T.number)
)
"""What decides whether a trial may begin: the newest version, the last number, whether the wanted
number is taken, and a row for each trial that has the plan and repeats no other; one row of nulls
if there is none."""

COUNT_SEARCH = (
    sa.select(sa.func.count())
    .select_from(tables.trials)
    .where(_T.number > 0, _T.repeat_of.is_(None), _T.variant_of.is_(None))
)

STEPS = (
    sa.select(tables.steps)
    .where(tables.steps.c.trial == sa.bindparam("of"))
    .order_by(tables.steps.c.step)
)

_SEEN_COLUMNS = sa.select(
    *(_T.number, _T.state, _T.worker, _T.params, _T.proposal, _T["values"], _T.violations),
    *(_T.reason, _T.seconds, _T.repeat_of, _T.variant_of, _T.started, _T.finished),
    _T.plan_key,
)

_IS_ABOVE = _T.number > sa.bindparam("highest")

ABOVE = _SEEN_COLUMNS.where(_IS_ABOVE).order_by(_T.number)

UNSEEN = sa.union_all(
    _SEEN_COLUMNS.where(
        _T.number.in_(sa.bindparam("missing", expanding=True)), _T.state != "paused"
    ),
    _SEEN_COLUMNS.where(_IS_ABOVE),
)
"""Lower trials that had not ended, and all above. SQLite would read the whole table for an OR."""
