"""Says why a section of the report has nothing to draw, and what it needs."""

from __future__ import annotations

from collections.abc import Mapping

from paretune.search.study.records import StudyRecord
from paretune.search.views.importance import LEAST_TRIALS
from paretune.search.views.trial_groups import group_trials
from paretune.search.views.words import count_text

LEAST_LINES = 2
"""Least number of feasible trials for the plot from choices to results."""


def missing_sections(record: StudyRecord) -> Mapping[str, str]:
    """Returns section -> sentence to show in place of its table or plot."""
    feasible = sum(t.number > 0 for t in group_trials(record).feasible)
    complete = sum(t.number > 0 and t.measured_now and t.repeat_of is None for t in record.trials)
    varies = any(trial.params for trial in record.trials)
    if not varies:
        importance = "The space has no parameter that varies."
    elif complete < LEAST_TRIALS:
        importance = (
            f"The importance of a parameter needs at least {LEAST_TRIALS} complete trials that "
            f"have it; this study has {count_text(complete, 'complete trial')}."
        )
    else:
        importance = (
            f"No parameter has two values or more in at least {LEAST_TRIALS} complete trials; "
            f"this study has {count_text(complete, 'complete trial')}."
        )
    return {
        "importance": importance,
        "lines": (
            f"This plot needs at least {LEAST_LINES} feasible trials; this study has "
            f"{count_text(feasible, 'feasible trial')} besides the baseline."
        ),
        "hypervolume": (
            "The hypervolume needs a reference point: a baseline, or worst: VALUE for each "
            "objective in the study file."
            if record.growth
            else "No trial is on the front yet."
        ),
    }
