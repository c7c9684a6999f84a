"""A round: runs trials on its study, then decides and tells what comes next."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from paretune.search.front.final_front import with_final_front
from paretune.search.optimizing.clock import Clock
from paretune.search.optimizing.epochs import (
    epoch_edits,
    kept_shares,
    longer_shares,
    trained_shares,
)
from paretune.search.optimizing.evidence import Evidence, evidence_of
from paretune.search.optimizing.final_choice import final_choice
from paretune.search.optimizing.first_plans import first_plans
from paretune.search.optimizing.next_space import NextSpace, next_space
from paretune.search.optimizing.round_log import RoundLog
from paretune.search.optimizing.round_store import RoundStore
from paretune.search.optimizing.session_runner import SessionRunner
from paretune.search.optimizing.space_edits import Edit, SetEpochs
from paretune.search.optimizing.story import end_sentence, learned_sentence, next_sentence
from paretune.search.optimizing.time_plan import measured_trial_time, reserved, round_seconds
from paretune.search.running.stopping import Ending
from paretune.search.study.records import StudyRecord, TrialRecord
from paretune.search.study.spec import StudySpec
from paretune.search.trial.events import Reporter

TIME_OVER = "the time is over"
GOALS_MET = "every goal is met"
NOTHING_NEW = "every plan of the space has been tried"

Tell = Callable[[str], None]
"""Shows a sentence."""


class Rounds:
    """Runs the rounds of an optimization until no other follows.

    Args:
        runner: Runs sessions.
        store: Keeps the rounds; the last one is done or was interrupted.
        clock: The time of the optimization.
        tell: Shows each sentence.
        stop_at_goal: Whether no round follows one in which a trial meets every goal.
    """

    def __init__(
        self,
        runner: SessionRunner,
        store: RoundStore,
        clock: Clock,
        tell: Tell,
        stop_at_goal: bool,
    ) -> None:
        self._runner, self._store, self._clock = runner, store, clock
        self._tell, self._stop_at_goal = tell, stop_at_goal

    def run(self) -> str:
        """Runs rounds; returns why no other follows."""
        while True:
            last = self._store.last
            if last.state == "done" and last.ended is not None:
                return last.ended
            log = last if last.state == "running" else self._store.write(self._next(last))
            self._run(log)

    def left(self, log: RoundLog) -> float:
        """Returns the seconds that are left for trials, beside what the end needs."""
        return self._clock.left - reserved(self._clock.total, log.trial.rest)

    def _next(self, last: RoundLog) -> RoundLog:
        """Returns the log of the round after `last`, before it runs."""
        assert last.following is not None
        number = last.number + 1
        trial = last.trial.at(last.share(number))
        rounds_left = max(1, len(last.shares) - last.number)
        return replace(
            last,
            number=number,
            state="running",
            source=last.following,
            following=None,
            sentences=(),
            changes=(),
            planned=round_seconds(self.left(last), rounds_left, trial),
            seconds=0.0,
            first=last.first + last.trials,
            trials=0,
            exported=None,
        )

    def _run(self, log: RoundLog) -> None:
        """Runs the trials of a round, and writes and tells its end."""
        self._clock.begin_lap()
        earlier = log.seconds
        ending = self._store.noting(
            log,
            lambda: earlier + self._clock.lap,
            lambda counter: self._session(log, counter),
        )
        log = replace(log, seconds=earlier + self._clock.lap)
        record = self._store.record()
        done = self._store.write(self._concluded(log, record, ending))
        self._runner.study = self._runner.study.with_space(
            (done.following or done.source)["space"], done.changes
        )
        done = self._store.write(replace(done, file=self._runner.study.digest))
        for sentence in done.sentences:
            self._tell(sentence)

    def _session(self, log: RoundLog, counter: Reporter) -> Ending | None:
        """Runs the trials of a round; returns why they ended, or None if none is needed."""
        seconds = min(log.planned - log.seconds, self.left(log))
        if seconds <= 0 or (self._stop_at_goal and self._still_met(log)):
            return None  # of an interrupted round, or with --stop-at-goal typed now
        spec = self._runner.spec(log.source)
        spec = replace(spec, seconds=seconds, stop_at_goals=self._stops_in_session(spec))
        ending = self._runner.run(spec, counter).ending
        if ending.stopped:  # `paretune stop`, or the page
            raise KeyboardInterrupt
        return ending

    def _stops_in_session(self, spec: StudySpec) -> bool:
        """Returns whether a session ends when a trial reaches the goals.

        It knows goals on objectives alone. If a trial meets the goals already, but no more after
        the final measurements, it would end at once.
        """
        names = {objective.name for objective in spec.objectives}
        if not self._stop_at_goal or any(goal.quantity not in names for goal in spec.goals):
            return False
        choice = final_choice(self._store.record(), spec.goals)
        return choice is None or not choice.met

    def reopen(self, ended: Collection[str] | None = None) -> None:
        """Lets a round follow the last one again, if there is time and something to try.

        Args:
            ended: Only if it ended for one of these reasons; None for all but `NOTHING_NEW`.
        """
        last = self._store.last
        if last.state == "running" or last.ended in (None, NOTHING_NEW):
            return
        if ended is not None and last.ended not in ended:
            return
        if last.ended == GOALS_MET and self._stop_at_goal and self._still_met(last):
            return
        if self.left(last) >= last.trial.at(last.share(last.number + 1)):
            self._store.write(replace(last, ended=None))

    def _still_met(self, last: RoundLog) -> bool:
        """Returns whether a trial meets every goal, also by the final measurements."""
        record = with_final_front(self._store.record())
        choice = final_choice(record, self._runner.spec(last.source).goals)
        return choice is not None and choice.met

    # -- what comes next -------------------------------------------------------------------------

    def _concluded(self, log: RoundLog, record: StudyRecord, ending: Ending | None) -> RoundLog:
        """Returns the log of a round whose trials are done."""
        spec = self._runner.spec(log.source)
        trials = [t for t in record.trials if t.number >= log.first]
        counted = [t for t in trials if t.repeat_of is None]
        timed = measured_trial_time(counted, log.share(log.number)) or log.trial
        shares = longer_shares(log.shares, log.number, self.left(log), timed)
        log = replace(log, state="done", trials=len(trials), trial=timed, shares=shares)
        evidence = evidence_of(record, spec.goals, log.full)
        following = self._following(log, spec, evidence)
        choice = final_choice(record, spec.goals)
        met = choice is not None and choice.met
        ended = self._why_ended(log, ending, following, met, counted)
        learned = learned_sentence(log.number, counted, log.seconds, choice)
        upcoming_shares = (log.share(log.number + 1), log.share(log.number))
        upcoming = (
            end_sentence(ended, choice)
            if ended
            else next_sentence(log.number + 1, following.edits, *upcoming_shares)
        )
        return replace(
            log,
            sentences=(learned, upcoming),
            changes=() if ended else tuple(edit.text for edit in following.edits),
            following=self._with_first(log, following, evidence),
            ended=ended,
        )

    def _following(
        self, log: RoundLog, spec: StudySpec, evidence: tuple[Evidence, ...]
    ) -> NextSpace:
        """Returns the space of the round after this one."""
        study = self._runner.study
        shares = [1.0, *(log.share(number) for number in range(1, log.number + 2))]
        epochs = epoch_edits(log.full, kept_shares(shares, trained_shares(log.full, evidence)))
        return next_space(
            log.source["space"],
            spec.space,
            evidence,
            epochs,
            lambda space: study.accepts({**log.source, "space": space, "first": None}),
        )

    def _with_first(
        self, log: RoundLog, following: NextSpace, evidence: tuple[Evidence, ...]
    ) -> dict[str, object]:
        """Returns the study of the next round, with the plans that it tries first."""
        source = {**log.source, "space": following.space}
        source.pop("first", None)
        tree = self._runner.spec(source).space
        epochs = [edit for edit in following.edits if isinstance(edit, SetEpochs)]
        plans = first_plans(tree, evidence, epochs)
        with_plans = {**source, "first": plans}
        return with_plans if plans and self._runner.study.accepts(with_plans) else source

    def _why_ended(
        self,
        log: RoundLog,
        ending: Ending | None,
        following: NextSpace,
        met: bool,
        trials: list[TrialRecord],
    ) -> str | None:
        """Returns why no round follows; None if one does."""
        if met and self._stop_at_goal:
            return GOALS_MET
        if ending is not None and not ending.ok:
            return ending.reason
        if ending is not None and ending.exhausted and not _changed(following.edits, log):
            return NOTHING_NEW
        if not trials or self.left(log) < log.trial.at(log.share(log.number + 1)):
            return TIME_OVER
        return None


def _changed(edits: tuple[Edit, ...], log: RoundLog) -> bool:
    """Returns whether the next round can try what this one could not."""
    if log.share(log.number + 1) > log.share(log.number) and log.full:
        return True
    return any(not isinstance(edit, SetEpochs) for edit in edits)
