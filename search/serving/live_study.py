"""A study that is read again while it grows: only what changed is read, and only that is sent."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from paretune.search.database.reader import StudyReader
from paretune.search.database.worker_rows import has_table
from paretune.search.front.final_front import with_final_front
from paretune.search.front.growth import with_hypervolumes
from paretune.search.front.seed_means import repeats_of
from paretune.search.serving.state import (
    axes_json,
    budget_json,
    chances_json,
    constraints_json,
    counts_json,
    front_json,
    growth_json,
    trials_json,
    with_final_values,
)
from paretune.search.serving.study_connection import StudyConnection
from paretune.search.serving.study_history import rounds_of, versions_of
from paretune.search.serving.trial_rows import OPEN, TrialReader, TrialRow
from paretune.search.serving.workers_now import workers_now
from paretune.search.study.records import Axis, FrontPoint, StudyRecord, TrialRecord
from paretune.search.views.front_table import front_info, shown_chances

FULL_EVERY = 10.0
"""Seconds between two looks at all trials: a finished one may change, as with --retry-failed."""

REST = 125.0
"""After the front was computed, it rests for this many times the time that this took."""


class LiveStudy:
    """The state of one study, and which parts of it changed when.

    One thread at a time may use it.

    Attributes:
        seq: Grows with every change.
        rare_seconds: Processor time of the last refresh for what is done seldom: the first read of
            all trials, and the front's table.

    Args:
        url: Storage URL.
        fixed: Parts of the state that do not change: id, file, and the epoch of the server.
    """

    def __init__(self, url: str, fixed: Mapping[str, Any]) -> None:
        self.seq = 0
        self.rare_seconds = 0.0
        self.url = url
        self._fixed, self._epoch = dict(fixed), fixed["epoch"]
        self._connection = StudyConnection(url)
        self._parts: dict[str, tuple[int, Any]] = {}
        self._forget()

    def _forget(self) -> None:
        self._rows: dict[int, TrialRow] = {}
        self._row_seq: dict[int, int] = {}
        self._raw: dict[int, tuple[str, float | None]] = {}  # states as the database has them
        self._final: dict[int, Any] = {}
        self._definition: Any = None
        self._axes: tuple[Axis, ...] = ()
        self._study: dict[str, Any] = {}
        self._history: list[FrontPoint] = []
        self._looked_at_all = -math.inf
        self._front_of: Any = None
        self._front_after = -math.inf
        self._front_cost = 0.0
        self._front: dict[str, Any] = {}
        self._repeats = 0  # trainings with other seeds
        self._means_decide = False  # whether they decide the front
        self._generation = 0
        self._ended: tuple[int, int, float] = (0, 0, 0.0)
        self._counted: Any = None

    # -- reading ---------------------------------------------------------------------------------

    def refresh(self, further: Mapping[str, Any]) -> bool:
        """Reads what changed; returns whether anything did.

        Args:
            further: Further parts of the state, such as `run`.

        Raises:
            UserError: The database cannot be read.
        """
        before, self.rare_seconds = self.seq, 0.0
        first, begun = not self._raw, time.thread_time()
        self._next = self.seq + 1
        changed = self._connection.changed()
        if self._connection.generation != self._generation:
            self._forget()
            self._generation = self._connection.generation
            self._fixed["epoch"] = f"{self._epoch}-{self._generation}"
            changed = True
        reader = StudyReader(self._connection.rows, str(self._connection.file or "storage"))
        if changed or not self._study:
            self._read(reader)
        self._set_workers()
        self._read_front(reader)
        for name, part in {**self._fixed, **further}.items():
            self._set(name, part)
        if first:
            self.rare_seconds = time.thread_time() - begun
        return self.seq != before

    def _read(self, reader: StudyReader) -> None:
        study = reader.study()
        version = self._version()
        definition = (study["source"], study["axes"], version)
        if definition != self._definition:
            self._forget_trials()
            self._definition = definition
            self._axes = tuple(Axis(**axis) for axis in study["axes"])
        self._study = study
        self._set("name", study["name"])
        self._set("axes", axes_json(self._axes))
        self._set("targets", list(study["source"].get("targets") or ()))
        self._set("version", version)
        self._set("end_reason", study["end_reason"])
        self._set("versions", versions_of(reader))
        self._set("rounds", rounds_of(reader))
        self._read_trials()
        self._read_growth()
        if repeats_of(study["source"]) > 1 and has_table(reader.rows, "paretune_repeats"):
            [(self._repeats,)] = reader.rows.plain("SELECT count(*) FROM paretune_repeats")

    def _forget_trials(self) -> None:
        generation = self._generation
        self._forget()
        self._generation = generation

    def _version(self) -> int:
        rows = self._connection.rows
        if not has_table(rows, "paretune_versions"):
            return 1
        return int(rows.plain("SELECT max(number) FROM paretune_versions")[0][0] or 1)

    def _read_trials(self) -> None:
        rows = self._connection.rows
        versions = has_table(rows, "paretune_trial_versions")
        reader = TrialReader(rows, self._connection.sqlite, self._axes, versions)
        highest = max(self._raw, default=-1)
        again = {n for n, (state, _) in self._raw.items() if state in OPEN}
        # A change of the study has emptied their values; they are measured for it later.
        again |= {n for n, row in self._rows.items() if row.state == "complete" and not row.values}
        if self._raw and time.monotonic() - self._looked_at_all >= FULL_EVERY:
            again |= {n for n, state in reader.states().items() if self._raw.get(n) != state}
            self._looked_at_all = time.monotonic()
        elif not self._raw:
            self._looked_at_all = time.monotonic()
        for row in reader.read(highest, again):
            self._raw[row.number] = (row.state, row.finished)
            self._put(row)
        ended = [finished for _, finished in self._raw.values() if finished is not None]
        measured = sum(bool(row.values) for row in self._rows.values())
        self._ended = (len(ended), measured, max(ended, default=0.0))

    def _put(self, row: TrialRow) -> None:
        """Stores a row; one that the final session measured again has its final values."""
        row = replace(row, **self._final.get(row.number, {}))
        if self._rows.get(row.number) != row:
            self._rows[row.number] = row
            self._row_seq[row.number] = self._changed()

    def _read_growth(self) -> None:
        last = self._history[-1].time if self._history else -math.inf
        rows = self._connection.rows
        [(count,)] = rows.plain("SELECT count(*) FROM paretune_front")
        new = rows(f"SELECT * FROM paretune_front WHERE time > {max(last, 0.0)!r} ORDER BY time")
        if len(self._history) + len(new) != count:  # an entry was replaced
            self._history = []
            new = rows("SELECT * FROM paretune_front ORDER BY time")
        self._history += [
            FrontPoint(row["trial"], row["time"], row["hypervolume"], tuple(row["members"]))
            for row in new
        ]
        if new:
            self._set("growth", growth_json(self._with_volumes()))

    def _with_volumes(self) -> tuple[FrontPoint, ...]:
        """Returns the growth; hypervolumes without a reference refer to the worst trial so far."""
        feasible = [row for row in self._rows.values() if row.feasible and row.values]
        if all(p.hypervolume is not None for p in self._history) or not feasible:
            return tuple(self._history)
        trials = tuple(TrialRecord(r.number, "complete", {}, [], r.values) for r in feasible)
        record = StudyRecord("", {}, self._axes, trials, tuple(self._history))
        return with_hypervolumes(record).growth

    # -- the front -------------------------------------------------------------------------------

    def _read_front(self, reader: StudyReader) -> None:
        """Computes the front's table, unless nothing changed or it was computed a moment ago."""
        state = (*self._ended, self._repeats, self._study["end_reason"])
        if state == self._front_of or time.monotonic() < self._front_after:
            self._add_members()
            return
        begun, cost = time.monotonic(), time.thread_time()
        record = with_final_front(reader.front_record())
        info = front_info(record, reader.trials)
        reasons = self._reasons(reader, record)
        self._means_decide = info.seeds is not None and info.seeds.decided
        self._front = front_json(record, info, reasons)
        self._set("front", self._front)
        self._set("chances", chances_json(shown_chances(record)))
        self._set("baseline", record.baseline and record.baseline.number)
        for key in ("constraints", "goals"):
            self._set(key, constraints_json(record, key))
        self._set("notes", list(record.data_notes))
        self._take_final(record)
        self._front_of = state
        seconds = time.thread_time() - cost
        self.rare_seconds += seconds
        # The lesser of two costs: one of them may include imports.
        self._front_after = begun + REST * min(seconds, self._front_cost)
        self._front_cost = seconds

    def _reasons(self, reader: StudyReader, record: StudyRecord) -> list[str]:
        if any(record.members):
            return []
        from paretune.search.views.infeasibility import infeasible_lines

        return infeasible_lines(reader.record())

    def _add_members(self) -> None:
        """Updates the front's members at once, which takes no time."""
        members = sorted(self._history[-1].members) if self._history else []
        is_final = self._front.get("final") is not None or self._means_decide
        if self._front and not is_final and self._front["members"] != members:
            self._front = {**self._front, "members": members}
            self._set("front", self._front)

    def _take_final(self, record: StudyRecord) -> None:
        final = with_final_values(self._rows.values(), record)
        if final == self._final:
            return
        stale = self._final.keys() - final.keys()
        self._final = final
        for number in final:
            self._put(self._rows[number])
        if stale:  # a later trial has ended, so the numbers of the search count again
            versions = has_table(self._connection.rows, "paretune_trial_versions")
            sqlite = self._connection.sqlite
            again = TrialReader(self._connection.rows, sqlite, self._axes, versions)
            for row in again.read(max(self._raw), stale):
                self._put(row)

    # -- workers ---------------------------------------------------------------------------------

    def _set_workers(self) -> None:
        now = workers_now(self._connection.rows)
        for name, part in now.parts.items():
            self._set(name, part)
        self._count_trials(now.active)

    def _count_trials(self, workers: int) -> None:
        """Counts the trials, unless no trial has changed."""
        last = max(self._row_seq.values(), default=0)
        limit = self._study["trial_limit"]
        if self._counted == (last, limit, workers):
            return
        self._counted = (last, limit, workers)
        trials = [self._rows[number] for number in sorted(self._rows)]
        self._set("counts", counts_json(trials))
        self._set("budget", budget_json(trials, limit, workers))

    # -- what changed when -----------------------------------------------------------------------

    def _changed(self) -> int:
        """Returns the number of this refresh, which has changed something."""
        self.seq = self._next
        return self.seq

    def _set(self, name: str, part: Any) -> None:
        if name not in self._parts or self._parts[name][1] != part:
            self._parts[name] = (self._changed(), part)

    def since(self, seq: int) -> dict[str, Any]:
        """Returns the parts of the state, and the trials, that changed after `seq`."""
        parts = {name: part for name, (when, part) in self._parts.items() if when > seq}
        rows = [self._rows[n] for n in sorted(self._rows) if self._row_seq[n] > seq]
        if rows or seq < 0:
            parts["trials"] = trials_json(rows, self._axes)
        return {**self._fixed, **parts, "seq": self.seq}

    def state(self) -> dict[str, Any]:
        """Returns the whole state."""
        return self.since(-1)

    @property
    def epoch(self) -> str:
        """Another epoch means that the state has nothing in common with an earlier one."""
        return str(self._fixed["epoch"])

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()
