"""The trials of a study as a sequence; nothing is read before it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

from paretune.search.database.reader import study_reader
from paretune.search.front.final_front import with_final_front
from paretune.search.interface.reading import NoSuchTrial, read_record
from paretune.search.interface.shown import Shown, data_frame, html_table
from paretune.search.interface.trial import Trial

if TYPE_CHECKING:
    import pandas as pd

    from paretune.search.interface.study_source import StudySource
    from paretune.search.study.records import StudyRecord, TrialRecord

MOST_ROWS = 60
"""Most trials that a notebook shows."""


class TrialList(Shown, Sequence[Trial]):
    """All trials of a study, the baseline included, as they are stored when they are read.

    `trials[7]` is trial number 7, `trials[0]` the baseline and `trials[-1]` the last trial.
    """

    def __init__(self, source: StudySource) -> None:
        self._source = source

    def __len__(self) -> int:
        with study_reader(self._source.location.url) as reader:
            reader.study()  # refuses a database without a study
            return len(reader.numbers())

    def __iter__(self) -> Iterator[Trial]:
        return iter(self._read())

    @overload
    def __getitem__(self, index: int) -> Trial: ...

    @overload
    def __getitem__(self, index: slice) -> list[Trial]: ...

    def __getitem__(self, index: int | slice) -> Trial | list[Trial]:
        if isinstance(index, slice):
            return self._read()[index]
        with study_reader(self._source.location.url) as reader:
            final = with_final_front(reader.outline())
            last = reader.last_number()
            number = index if index >= 0 else last + 1 + index
            remeasured = next((each for each in final.trials if each.number == number), None)
            record = remeasured or (reader.trial(number) if number >= 0 else None)
        if record is None:
            raise NoSuchTrial(f"trial {index}: there is no such trial; the last is {last}")
        return Trial(self._source, record)

    def to_dicts(self) -> list[dict[str, Any]]:
        """Returns a flat dictionary for each trial; values are in the measurements' units."""
        record = read_record(self._source.location.url)
        return [flat(trial, record) for trial in record.trials]

    def to_pandas(self) -> pd.DataFrame:
        """Returns the trials as a data frame; `attrs["units"]` has the units.

        Raises:
            UserError: pandas is not installed.
        """
        record = read_record(self._source.location.url)
        frame = data_frame([flat(trial, record) for trial in record.trials], "trial")
        frame.attrs["units"] = {
            m.name: m.unit for trial in record.trials for m in trial.measurements.values()
        }
        return frame

    def text(self, width: int | None = None) -> str:
        """Returns a line for each trial."""
        lines = [repr(trial)[1:-1] for trial in self]
        return "\n".join(lines) or "no trials yet"

    def __repr__(self) -> str:
        return f"<{len(self)} trials of {self._source.location.folder}>"

    def _repr_html_(self) -> str:
        from paretune.search.study.units import format_quantity

        trials = self._read()
        names = list(dict.fromkeys(name for trial in trials for name in trial.values))
        rows = [
            [
                str(trial.number) if trial.number else "baseline",
                *(
                    format_quantity(trial.values[name], trial.measurements[name])
                    if name in trial.values and name in trial.measurements
                    else ""
                    for name in names
                ),
                trial.state,
                trial.plan.summary,
            ]
            for trial in trials[-MOST_ROWS:]
        ]
        table = html_table(["trial", *names, "state", "model"], rows, texts=2)
        left = len(trials) - len(rows)
        return table + (f"<p>and {left} earlier trials</p>" if left > 0 else "")

    def _read(self) -> list[Trial]:
        record = read_record(self._source.location.url)
        return [Trial(self._source, trial) for trial in record.trials]


def flat(trial: TrialRecord, record: StudyRecord) -> dict[str, Any]:
    """Returns a trial as one row: state, values, intervals, test part, parameters, plan."""
    from paretune.search.views.plan_text import trial_plan_text

    row: dict[str, Any] = {
        "trial": trial.number,
        "state": trial.state,
        "feasible": trial.feasible,
        "on_front": trial.number in record.members,
    }
    for name, measured in trial.measurements.items():
        row[name] = measured.value
        if measured.low < measured.high:
            row |= {f"{name}.low": measured.low, f"{name}.high": measured.high}
    for name, value in trial.values.items():  # of a trainer, or of a trial that racing stopped
        row.setdefault(name, value)
    row |= {f"test.{name}": measured.value for name, measured in trial.test.items()}
    row |= {f"params.{name}": value for name, value in trial.params.items()}
    return {
        **row,
        "seconds": None if trial.finished is None else trial.finished - trial.started,
        "repeat_of": trial.repeat_of,
        "variant_of": trial.variant_of,
        "reason": (trial.reason or {}).get("text"),
        "plan": trial_plan_text(trial),
    }
