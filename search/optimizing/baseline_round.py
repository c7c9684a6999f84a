"""Round 0: measures the baseline, finds its bottleneck, and plans the rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from paretune.search.errors import UserError
from paretune.search.locate import StudyLocation
from paretune.search.optimizing.bottleneck import baseline_bottleneck
from paretune.search.optimizing.clock import Clock
from paretune.search.optimizing.epochs import epoch_edits, epoch_factor, full_epochs, shares_of
from paretune.search.optimizing.round_log import RoundLog
from paretune.search.optimizing.round_store import RoundStore
from paretune.search.optimizing.session_runner import SessionRunner
from paretune.search.optimizing.space_edits import SetEpochs, edited_space
from paretune.search.optimizing.story import baseline_sentence, plan_sentence
from paretune.search.optimizing.time_plan import (
    TrialTime,
    measured_trial_time,
    number_of_rounds,
    refuse_short_time,
    reserved,
    training_seconds,
)
from paretune.search.optimizing.working_study import WorkingStudy
from paretune.search.study.contradictions import contradictions
from paretune.search.study.records import StudyRecord, TrialRecord
from paretune.search.study.spec import Constraint, StudySpec
from paretune.spaces.domains import parameters

if TYPE_CHECKING:
    from paretune.search.preflight.estimate import Estimate


def baseline_round(runner: SessionRunner, store: RoundStore, clock: Clock) -> RoundLog:
    """Measures and profiles the baseline; returns the log of round 0, which is not written yet.

    Args:
        runner: Runs sessions.
        store: Keeps the time that is spent, in case of an interruption.
        clock: The time of the optimization.

    Raises:
        UserError: The study has mistakes, a goal cannot be met by any network, or the time is too
            short for the baseline and one trial.
    """
    study = runner.study
    spec = runner.spec(study.source)
    notes = study.notes
    if notes is not None and not notes.holds_for(study.document.data):
        notes = None  # the user changed the file since
    expected = _expected(runner.checked(spec)) if notes is None else notes.trial
    if expected is not None:
        refuse_short_time(clock.total, clock.spent, expected)
    draft = RoundLog(0, "running", study.source, study.digest)
    record = store.noting(
        draft, lambda: clock.spent, lambda counter: runner.run(replace(spec, trials=0), counter)
    ).record
    if record.baseline is None:
        raise UserError(f"{study.file}: the study has no baseline, to which goals could refer")
    refuse_impossible_goals(spec.goals, record)
    trial = _trial_time(record, expected)
    refuse_short_time(clock.total, clock.spent, trial)
    location = StudyLocation(spec.file, spec.folder, spec.storage)
    bottleneck = notes.bottleneck if notes else baseline_bottleneck(location, latency_batch(spec))
    full = full_epochs(study.source["space"], spec.space)
    seconds = clock.left - reserved(clock.total, trial.rest)
    factor = 1
    if notes is not None:
        factor = epoch_factor(seconds, trial, notes.trials)
        full = {name: factor * epochs for name, epochs in full.items()}
        trial = replace(trial, training=factor * trial.training)
    rounds = number_of_rounds(seconds, trial.seconds)
    shares = shares_of(rounds, full, seconds, trial)
    edits = epoch_edits(full, (shares[0], 1.0)) if full else []
    space = edited_space(study.source["space"], spec.space, edits)
    following = {**study.source, "space": space}
    return RoundLog(
        number=0,
        state="done",
        source=study.source,
        file=study.digest,
        shares=shares,
        sentences=(
            baseline_sentence(record.baseline, record.axes, bottleneck, spec.goals),
            plan_sentence(searched_sections(spec), shares[0], bool(full), seconds / rounds),
        ),
        changes=tuple(edit.text for edit in edits) if shares[0] < factor else (),
        planned=clock.spent,
        seconds=clock.spent,
        first=1 + max(t.number for t in record.trials),
        full=full,
        trial=trial,
        bottleneck=bottleneck,
        following=_with_first(study, following, notes.first if notes else (), edits),
    )


def _with_first(
    study: WorkingStudy,
    source: Mapping[str, Any],
    plans: Sequence[Mapping[str, Any]],
    epochs: Sequence[SetEpochs],
) -> dict[str, Any]:
    """Returns the study of round 1 with the plans that it tries first, with all their epochs."""
    longest = {edit.name: max(edit.values) for edit in epochs if len(edit.values) > 1}
    first = [{**plan, **longest} for plan in plans]
    first = [plan for plan in first if study.accepts({**source, "first": [plan]})]
    return {**source, **({"first": first} if first else {})}


def refuse_impossible_goals(goals: Sequence[Constraint], record: StudyRecord) -> None:
    """Refuses goals that no network can meet, once the baseline is measured.

    Raises:
        UserError: A goal alone, or two of them together, cannot hold; or the baseline was measured
            without the quantity of a goal.
    """
    assert record.baseline is not None
    for goal in goals:
        if goal.quantity not in record.baseline.measurements:
            names = ", ".join(record.baseline.measurements)
            raise UserError(
                f'--goal "{goal.text}": the trials of this study were measured without '
                f"{goal.quantity}; they have {names}. Add {goal.quantity} to the objectives, or "
                "start again in another folder"
            )
    values = {name: m.value for name, m in record.baseline.measurements.items()}
    if problems := contradictions(goals, values):
        raise UserError("\n".join(f"--goal {problem}" for problem in problems))


def _expected(estimate: Estimate | None) -> TrialTime | None:
    """Returns the preflight's estimate of a trial."""
    if estimate is None:
        return None
    training = estimate.trial * estimate.shares.get("training", 0.0)
    return TrialTime(estimate.baseline, training, estimate.trial - training)


def _trial_time(record: StudyRecord, expected: TrialTime | None) -> TrialTime:
    """Returns how long a trial takes: as earlier trials did, as expected, or as the baseline."""
    base = record.baseline
    assert base is not None
    measured = measured_trial_time([t for t in record.trials if t.number], 1.0)
    planned = None if expected is None else _corrected(expected, base)
    time = measured or planned or measured_trial_time([base], 1.0) or TrialTime(0, 0, 1.0)
    return replace(time, baseline=0.0)


def _corrected(expected: TrialTime, baseline: TrialRecord) -> TrialTime:
    """Returns an estimate with the training as fast as that of the baseline was."""
    planned = expected.baseline - expected.rest
    trained = training_seconds(baseline)
    if planned <= 0 or trained <= 0:
        return expected
    return replace(expected, training=expected.training * trained / planned)


def latency_batch(spec: StudySpec) -> int:
    """Returns the number of inputs in a run, of the study's latency; 1 if it has none."""
    batches = [o.options["batch"] for o in spec.objectives if "batch" in o.options]
    return int(batches[0]) if batches else 1


def searched_sections(spec: StudySpec) -> list[str]:
    """Returns the sections of the space with something to choose, in order."""
    names = [parameter.name.partition(".")[0] for parameter in parameters(spec.space)]
    return [name for name in dict.fromkeys(names) if name != "checkpoint"]
