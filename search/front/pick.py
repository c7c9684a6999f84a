"""Picks one trial of a study: `knee`, `fastest`, a number, or constraints that it must meet."""

from __future__ import annotations

from paretune.search.errors import UserError
from paretune.search.front.conditions import read_conditions
from paretune.search.front.highlights import UNDER_LOAD, near_text, picks_of, score_axis
from paretune.search.study.records import StudyRecord, TrialRecord

WORDS = ("knee", "fastest", "smallest", "baseline")

OFFERED = 8
"""Trials that an error names."""

MOST_DIGITS = 25
"""Digits of a trial's number that are read; databases store it in 32 bits."""


def pick(record: StudyRecord, query: str) -> TrialRecord:
    """Returns the trial that a query means.

    Args:
        record: The study.
        query: `knee`; `fastest` or `smallest`, near the baseline's score; `baseline`; a trial's
            number; or constraints joined by "and", which pick the trial that is best by the first
            objective among those that meet them.

    Raises:
        UserError: The query is invalid, or no trial matches it.
    """
    query = query.strip()
    number = 0 if query == "baseline" else trial_number(query)
    if number is not None:
        return _numbered(record, number)
    if not record.front:
        raise UserError("there is no front yet; run the study first")
    if query in WORDS:
        picks = [pick for pick in picks_of(record) if pick.text.startswith(query)]
        for best in sorted(picks, key=lambda pick: pick.text.startswith(UNDER_LOAD)):
            return _numbered(record, best.trial)
        if picks_of(record)[1:]:
            raise UserError(
                f"--pick {query}: the study has no objective that says what is {query}; give knee, "
                "a trial's number, or a condition such as: accuracy >= 0.9"
            )
        raise UserError(f"--pick {query}: no trial of the front is {_near(record)} of the baseline")
    return _constrained(record, query)


def _near(record: StudyRecord) -> str:
    score = score_axis(record.axes)
    return "within a point" if score is None or score.unit == "fraction" else near_text(score)


def trial_number(text: str) -> int | None:
    """Returns the number of a trial that a user typed; None if the text is not a number.

    A number beyond the range of trials is cut to `MOST_DIGITS`: no trial has it.
    """
    text = text.strip()
    return int(text[:MOST_DIGITS]) if text.isascii() and text.isdigit() else None


def _numbered(record: StudyRecord, number: int) -> TrialRecord:
    trial = next((t for t in record.trials if t.number == number), None)
    if trial is None:
        last = record.trials[-1].number if record.trials else "none"
        raise UserError(
            f"--pick {number}: there is no such trial; the last is {last}{_offer(record)}"
        )
    if trial.repeat_of is not None:
        return _numbered(record, trial.repeat_of)
    if not trial.measured_now:
        reason = (trial.reason or {}).get("text", trial.state)
        raise UserError(
            f"--pick {number}: this trial has no model: {trial.state} ({reason}){_offer(record)}"
        )
    return trial


def _offer(record: StudyRecord) -> str:
    """Returns what a user may pick by a number, to end an error; empty without a front."""
    numbers = [str(trial.number) for trial in record.front]
    if not numbers:
        return ""
    more = f" and {len(numbers) - OFFERED} more" if len(numbers) > OFFERED else ""
    return f"; on the front are trials {', '.join(numbers[:OFFERED])}{more}"


def _constrained(record: StudyRecord, query: str) -> TrialRecord:
    words = f"; or give {', '.join(WORDS)}, or a trial's number"
    conditions = read_conditions(record, query.split(" and "), "--pick", words)
    fitting = [trial for trial in record.front if conditions.hold(trial)]
    if not fitting:
        text = f'--pick "{query}": no trial of the front meets it'
        if (nearest := conditions.nearest(record.front)) is not None:
            text += f"; the nearest is trial {nearest.number}: {conditions.missed(nearest)}"
        raise UserError(text)
    first = record.axes[0]
    sign = 1 if first.better == "higher" else -1
    return max(fitting, key=lambda t: sign * t.values[first.name])
