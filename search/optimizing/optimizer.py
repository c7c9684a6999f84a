"""`optimize`: measures the baseline, then narrows the space in rounds until the time is over.

    working_study     the user's study file, or one that `init` writes
    baseline_round    round 0: measures the baseline, finds its bottleneck, plans the rounds
    rounds            each round: search for a while, see what paid, choose the next space, tell it
    last_step         the final session, and the verified export

Each round is in the database, so that the same command goes on after an interruption.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.search.errors import UserError
from paretune.search.optimizing.baseline_round import baseline_round, refuse_impossible_goals
from paretune.search.optimizing.clock import Clock
from paretune.search.optimizing.early_checks import (
    check_early,
    time_seconds,
)
from paretune.search.optimizing.epochs import full_epochs
from paretune.search.optimizing.final_choice import FinalChoice, final_choice
from paretune.search.optimizing.last_step import exported, final_record
from paretune.search.optimizing.request import NO_TIME, OptimizeRequest
from paretune.search.optimizing.round_store import RoundStore
from paretune.search.optimizing.rounds import GOALS_MET, Rounds
from paretune.search.optimizing.session_runner import SessionRunner
from paretune.search.optimizing.working_study import WorkingStudy, working_study
from paretune.search.shell import command_text
from paretune.search.study.contradictions import refuse_contradictions
from paretune.search.study.durations import duration
from paretune.search.study.records import StudyRecord
from paretune.search.study.spec import StudySpec
from paretune.search.trial.events import Reporter

if TYPE_CHECKING:
    from rich.console import Console

    from paretune.search.export.exporter import ExportResult

__all__ = ["OptimizeEnd", "OptimizeRequest", "optimize"]


@dataclass(frozen=True)
class OptimizeEnd:
    """The end of an optimization.

    Attributes:
        study: The study file.
        record: The study with its final front and its rounds.
        choice: The trial that is exported; None if no trial is complete.
        export: Result of the verified export; None if there is nothing to export.
        reason: Why it ended.
        seconds: Seconds that it took, in all runs of the command.
    """

    study: Path
    record: StudyRecord
    choice: FinalChoice | None
    export: ExportResult | None
    reason: str
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether the exported trial meets every goal, and its export is verified."""
        met = self.choice is not None and self.choice.met
        return met and self.export is not None and self.export.verification.ok

    def to_json(self) -> dict[str, Any]:
        """Returns the end as JSON."""
        choice = self.choice
        return {
            "study": str(self.study),
            "ok": self.ok,
            "reason": self.reason,
            "seconds": round(self.seconds, 1),
            "rounds": [
                {key: log[key] for key in ("number", "sentences", "changes", "seconds", "trials")}
                for log in self.record.rounds
            ],
            "trial": choice.trial.number if choice else None,
            "rule": choice.rule if choice else None,
            "goals": [
                {
                    "goal": stand.goal.text,
                    "quantity": stand.goal.quantity,
                    "value": stand.value,
                    "bound": stand.bound,
                    "unit": stand.unit,
                    "met": stand.met,
                }
                for stand in (choice.standings if choice else ())
            ],
            "verified": self.export.verification.ok if self.export else None,
        }


def optimize(
    request: OptimizeRequest,
    *,
    console: Console | None = None,
    reporters: Sequence[Reporter] = (),
    tell: Callable[[str], None] = lambda text: None,
) -> OptimizeEnd:
    """Optimizes a model or a study, and exports the trial that meets the goals best.

    Args:
        request: What the user typed.
        console: Shows the progress; None to show nothing.
        reporters: Each receives every event.
        tell: Shows each sentence about a round.

    Raises:
        UserError: The request, the study or a goal is wrong, or the time is too short.
        KeyboardInterrupt: The user wants to stop; the same call goes on.
    """
    request.check()
    check_early(request)
    study = working_study(request, tell)
    spec = study.spec()
    _check(study, spec)
    total = _total_seconds(study, spec)
    store = RoundStore(spec.storage)
    _check_output(request, store)
    spent = sum(log.seconds for log in store.logs) or study.seconds
    clock = Clock(total, spent)
    runner = SessionRunner(study, console, reporters)
    if store.has_baseline:
        _take_up(runner, spec, store, clock, tell)
    else:
        for sentence in store.write(baseline_round(runner, store, clock)).sentences:
            tell(sentence)
    rounds = Rounds(runner, store, clock, tell, request.stop_at_goal)
    rounds.reopen()
    while True:
        reason = rounds.run()
        clock.begin_lap()
        record = final_record(runner, store.last, clock)
        rounds.reopen([GOALS_MET])  # the final measurements may say that a goal is missed
        if store.last.ended is not None:
            break
    store.set_end(reason)
    return _finished(runner, store, clock, record, reason)


def _check(study: WorkingStudy, spec: StudySpec) -> None:
    """Refuses a study that cannot be optimized.

    Raises:
        UserError: It has its own trainer, no goal, or goals that contradict each other.
    """
    if spec.trainer is not None:
        raise UserError(
            f"{study.file}: this study has its own trainer, so Paretune has no files of its models "
            f"to export; search it with: {command_text('run', study.file)}"
        )
    if not spec.goals:
        raise UserError(
            f'{study.file}: there is no goal; give --goal "latency <= 0.5 x baseline", or '
            "goals: [...] in the file"
        )
    refuse_contradictions(spec.goals)


def _total_seconds(study: WorkingStudy, spec: StudySpec) -> float:
    """Returns the time of the command line, or that of the study file.

    Raises:
        UserError: There is none, or it is not a time.
    """
    text = study.request.time
    seconds = spec.seconds if text is None else time_seconds(text)
    if seconds is None:
        raise UserError(NO_TIME)
    return seconds


def _check_output(request: OptimizeRequest, store: RoundStore) -> bool:
    """Returns whether the output folder holds an earlier export of this optimization.

    Raises:
        UserError: It holds something else.
    """
    folder = request.output
    if not folder.is_dir() or not any(folder.iterdir()):
        return False
    if any(log.exported == str(folder.absolute()) for log in store.logs):
        return True
    raise UserError(f"-o {folder}: the folder is not empty; give another one")


def _take_up(
    runner: SessionRunner,
    spec: StudySpec,
    store: RoundStore,
    clock: Clock,
    tell: Callable[[str], None],
) -> None:
    """Continues after an earlier run; takes a study file that the user changed since.

    Raises:
        UserError: A goal cannot be met by any network, or a changed file has mistakes.
    """
    study = runner.study
    refuse_impossible_goals(spec.goals, store.record())
    last = store.last
    at = f"round {last.number}" if last.state == "running" else f"after round {last.number}"
    tell(f"continues {at}; {duration(clock.spent)} of {duration(clock.total)} are spent")
    goals = {"goals": study.source.get("goals")}
    if last.file == study.digest:
        following = None if last.following is None else {**last.following, **goals}
        store.write(replace(last, source={**last.source, **goals}, following=following))
        return
    tell(f"{study.file.name} has changed; the search goes on with the file as it is now")
    runner.checked(spec)
    changed = replace(
        last,
        file=study.digest,
        full=full_epochs(study.source["space"], spec.space),
        following=None if last.following is None else study.source,
        ended=None,
    )
    if last.state == "running":
        changed = replace(changed, source=study.source)
    store.write(changed)


def _finished(
    runner: SessionRunner, store: RoundStore, clock: Clock, record: StudyRecord, reason: str
) -> OptimizeEnd:
    """Exports the chosen trial; returns the end of the optimization."""
    study = runner.study
    choice = final_choice(record, study.spec(store.last.source).goals)
    export: ExportResult | None = None
    if choice is not None:
        replaces = _check_output(study.request, store)
        export = exported(runner, choice, study.request.output, replaces)
    last = replace(store.last, seconds=store.last.seconds + clock.lap)
    if export is not None and export.verification.ok:
        last = replace(last, exported=str(study.request.output.absolute()))
    store.write(last)
    record = replace(record, rounds=tuple(log.to_json() for log in store.logs))
    return OptimizeEnd(study.file, record, choice, export, reason, clock.spent)
