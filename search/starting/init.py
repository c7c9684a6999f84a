"""Writes a first study file for a model: measures, tries, chooses, and checks the file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.search.errors import UserError
from paretune.search.starting.choices import (
    StudyChoices,
    learns,
    networks_of,
    spaces_of,
    study_choices,
)
from paretune.search.starting.facts import StartFacts
from paretune.search.starting.request import InitRequest
from paretune.search.starting.study_text import study_text
from paretune.search.starting.time_plan import (
    FEWEST,
    MOST,
    TimePlan,
    shortest_study,
    time_plan,
    too_short,
)
from paretune.search.study_file.check import check_info
from paretune.search.study_file.document import document_of
from paretune.search.study_file.loading import load_document
from paretune.search.study_file.problems import StudyFileError
from paretune.spaces.domains import count

if TYPE_CHECKING:
    from paretune.search.preflight.estimate import Estimate
    from paretune.search.preflight.rehearsal import Rehearsal
    from paretune.search.profiling.profile import Profile
    from paretune.search.study.spec import StudySpec

__all__ = ["InitRequest", "InitResult", "init_study"]

USABLE = 0.95
"""Share of the time that baseline and trials may take; the rest is the run's own first step."""


@dataclass(frozen=True)
class InitResult:
    """A study file that was made, and what it is made of.

    Attributes:
        text: The commented YAML.
        path: Where it is written.
        facts: What was measured.
        choices: What was chosen, with the reasons.
        profile: The profile of the baseline.
        estimate: How long the study takes; None if that is unknown.
        plan: Epochs and trials, by the time that they take.
    """

    text: str
    path: Path
    facts: StartFacts
    choices: StudyChoices
    profile: Profile | None = None
    estimate: Estimate | None = None
    plan: TimePlan | None = None

    @property
    def source(self) -> Mapping[str, Any]:
        """The study file as plain data."""
        return self.choices.source

    def to_json(self) -> dict[str, Any]:
        """Returns everything as JSON."""
        return {
            "file": str(self.path),
            "facts": self.facts.to_json(),
            **self.choices.to_json(),
            "profile": self.profile.to_json() if self.profile else None,
            "estimate": self.estimate.to_json() if self.estimate else None,
        }


def init_study(
    request: InitRequest,
    say: Callable[[str], None] = lambda step: None,
    write: bool = True,
    brief: bool = False,
) -> InitResult:
    """Measures a model, and writes a study file that fits it.

    Args:
        request: The model, its data, and what is wanted of it.
        say: Called with each step.
        write: Whether the file is written.
        brief: Whether a search in rounds follows, which measures again what it needs: the time of
            a trial is not estimated from random plans, and fewer long trials suffice.

    Raises:
        UserError: An option is wrong, the data or the model does not work, the time is too short,
            or the file cannot be written.
    """
    if write:
        request.check_output()
    from paretune.search.preflight.rehearsal import rehearsal
    from paretune.search.starting.baseline_weights import open_draft, weights_of
    from paretune.search.starting.survey import Survey
    from paretune.search.starting.task_choice import started

    say("loading the data")
    draft, data = started(request)
    say("building the network")
    weights = weights_of(draft, data)
    data = open_draft(draft, data, weights)
    assert draft.spec is not None
    with rehearsal(draft.spec, data, math.inf) as opened:
        survey = Survey(opened, draft, weights, say, brief)
        facts = survey.facts()
        say("choosing ranges, epochs and trials")
        assert draft.spec is not None
        choices, plan, estimate = _chosen(
            facts, draft.source, opened.spec, None if brief else opened
        )
    text = study_text(facts, choices, request.output.name)
    checked(text, choices, request.output)
    if write:
        _write(text, request.output)
    return InitResult(text, request.output, facts, choices, survey.profile, estimate, plan)


def _chosen(
    facts: StartFacts, source: Mapping[str, Any], spec: StudySpec, opened: Rehearsal | None
) -> tuple[StudyChoices, TimePlan, Estimate | None]:
    """Returns the study with as many trials as the time allows, and how long it takes.

    Args:
        facts: What was measured.
        source: The draft as plain data.
        spec: The same, checked.
        opened: Its rehearsal, which estimates the time; None for the plan's own estimate.

    Raises:
        UserError: The time is too short for one trial.
    """
    from paretune.search.study.durations import duration

    sections = spaces_of(facts)
    networks, trains = networks_of(sections["architecture"]), learns(sections)
    fewest = FEWEST if opened else 3 * FEWEST // 4
    plan = time_plan(facts, spec.seconds, networks, trains, fewest)
    if plan is None:
        shortest = shortest_study(facts, networks, trains)
        raise UserError(too_short(source["budget"]["time"], shortest, facts.epoch))
    choices = study_choices(facts, source, spec, sections, plan)
    if opened is None:
        text = f"about {duration(plan.trial)} each"
        return choices.with_trials(plan.trials, text), plan, None
    estimated = _estimated(choices, spec, opened, plan)
    trials, trial = plan.trials, plan.trial
    plans = count(opened.spec.space)
    if estimated is not None:
        trial = (estimated.total - estimated.baseline) / max(1, estimated.trials)
        if spec.seconds is not None:
            room = USABLE * spec.seconds - estimated.baseline
            trials = min(MOST, int(room / max(trial, 1e-9)))
            if trials < 1:
                shortest = (estimated.baseline + trial) / USABLE
                raise UserError(too_short(source["budget"]["time"], shortest, facts.epoch))
        total = estimated.baseline + min(trials, plans) * trial
        estimated = replace(estimated, trials=int(min(trials, plans)), total=total)
    trials = int(min(trials, plans))
    if plans <= trials:
        share = "more plans do not exist"
    elif spec.seconds is not None:
        share = f"they fit into {source['budget']['time']}"
    else:
        share = f"about {duration(estimated.total if estimated else plan.total)} in all"
    return choices.with_trials(trials, f"about {duration(trial)} each; {share}"), plan, estimated


def _estimated(
    choices: StudyChoices, spec: StudySpec, opened: Rehearsal, plan: TimePlan
) -> Estimate | None:
    """Returns the estimate of a full check, from random plans of the space."""
    from paretune.search.preflight.estimate import estimate
    from paretune.search.study.plan import baseline_plan

    final = load_document(document_of(_plain(choices), str(spec.file)), spec.file)
    opened.spec = final
    opened.baseline = baseline_plan(final.baseline, final.runtime, final.targets)
    if opened.network is not None:
        opened.network = replace(opened.network, plan=opened.baseline)
    return estimate(opened)


def _plain(choices: StudyChoices) -> str:
    from paretune.search.starting.commented_yaml import commented_yaml

    return commented_yaml(choices.source, {})


def checked(text: str, choices: StudyChoices, file: Path) -> None:
    """Checks a text as `paretune check` does.

    Raises:
        RuntimeError: It has a mistake, or reads as another study: a bug of Paretune.
    """
    document = document_of(text, str(file))
    if document.data != choices.source:
        raise RuntimeError("the written study reads as another one than was chosen")
    try:
        check_info(load_document(document, file))
    except StudyFileError as error:
        raise RuntimeError(f"the written study does not pass its check: {error}") from error


def _write(text: str, file: Path) -> None:
    """Writes the file at once, so that no half file is left.

    Raises:
        UserError: It cannot be written.
    """
    part = file.with_name(f".{file.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    except OSError as error:
        raise UserError(f"-o {file}: cannot be written: {error.strerror}") from error
