"""The state of a trial in the words that all commands and the report use."""

from __future__ import annotations

from paretune.search.study.records import TrialRecord

BREAKS = "breaks a constraint"
BREAK = "break a constraint"
"""What a complete trial does, and several do, that cannot be on the front."""


UNMEASURED = "not measured for this version"
"""What a complete trial of an earlier version is if the study measures something new."""


def state_text(trial: TrialRecord) -> str:
    """Returns the state of a trial: `complete`, `complete, breaks a constraint`, `infeasible`."""
    if trial.state == "complete" and not trial.measured_now:
        return f"{trial.state}, {UNMEASURED}"
    if trial.state == "complete" and not trial.feasible:
        return f"{trial.state}, {BREAKS}"
    return trial.state
