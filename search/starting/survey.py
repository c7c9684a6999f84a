"""Surveys a model: builds, deploys, profiles and times the baseline, and tries each technique."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from paretune.search.errors import UserError
from paretune.search.preflight.baseline_check import check_baseline
from paretune.search.preflight.data_check import check_data
from paretune.search.preflight.objective_check import check_objectives
from paretune.search.preflight.rehearsal import Rehearsal
from paretune.search.profiling.networks import ProfiledNetwork
from paretune.search.profiling.profile import Profile
from paretune.search.profiling.profiler import profile_network
from paretune.search.starting.alignment import channel_alignment
from paretune.search.starting.attempted_techniques import TechniqueAttempts
from paretune.search.starting.baseline_weights import elements, model_option
from paretune.search.starting.draft import Draft
from paretune.search.starting.facts import ScoreFact, StartFacts, Weights
from paretune.search.starting.first_recipe import batch_size_for, first_recipe
from paretune.search.starting.gathered_facts import Surveyed, subject_of
from paretune.search.starting.goal_choice import QUICK_SECONDS, latency_options
from paretune.search.starting.measured_score import measured_score
from paretune.search.starting.time_plan import too_short
from paretune.search.starting.user_scores import set_user_objectives
from paretune.search.study.quantity import Quantity
from paretune.search.study.units import format_about
from paretune.spaces.pruning.layer_names import prunable_layer_names

if TYPE_CHECKING:
    from paretune.objectives.base import Measurement
    from paretune.search.data.dataset import Dataset
    from paretune.search.preflight.finding import Finding

PROFILED: Mapping[str, Mapping[str, Any]] = {
    "latency": {"seconds": 0.5, "references": False},
    "parameters": {},
    "macs": {},
    "size": {},
}
"""What a profile measures here."""

QUICK_TRAINING = 10.0
"""Seconds of a training below which the timing of a file would take most of a trial."""

TYPICAL_EPOCHS = 10

FULL_SECONDS = 2.0
"""Seconds of a timing by default."""

Progress = Callable[[str], None]


class Survey:
    """Measures a draft's baseline and tries techniques on it.

    Args:
        rehearsal: The draft's study, opened.
        draft: The draft.
        weights: Where the baseline's weights come from.
        say: Called with what is done next.
        brief: Whether a search in rounds follows, which measures the baseline itself.
    """

    def __init__(
        self,
        rehearsal: Rehearsal,
        draft: Draft,
        weights: Weights,
        say: Progress,
        brief: bool = False,
    ) -> None:
        self.rehearsal = rehearsal
        self.draft = draft
        self.weights = weights
        self.say = say
        self.brief = brief
        self.notes: list[str] = []
        self.profile: Profile | None = None
        self.latency_batch = 1
        self._begun = time.monotonic()

    @property
    def data(self) -> Dataset:
        """The data of the study."""
        return self.rehearsal.data

    def facts(self) -> StartFacts:
        """Measures everything, cheap and likely failures first.

        Raises:
            UserError: The data does not fit, or the baseline cannot be built, trained or run.
        """
        self._check("checking the data", check_data)
        self._check("building, exporting and running the baseline", check_baseline)
        if self.draft.request.brings_data:
            self.say("calling the score of your task")
            set_user_objectives(self.draft, self.rehearsal)
        self._measure()
        self.say("profiling the baseline")
        self.profile = self._profiled()
        self._choose_latency()
        score = self._score()
        layers = self._layers()
        alignment = channel_alignment(self.rehearsal.targets[0].deployment.name)
        attempts = TechniqueAttempts(
            self.rehearsal,
            self._recipe(),
            score,
            layers,
            alignment,
            self.weights in ("checkpoint", "code"),
            self.latency_batch,
            self.say,
            self.brief and not self.draft.request.brings_data,
        )
        self.say("timing an epoch")
        refusal = attempts.time_epoch()
        if refusal is not None:
            self.notes.append(f"training does not work: {refusal.text}")
        self._shorten_timing(attempts.epoch or 0.0)
        self._refuse_short_time(attempts.epoch or 0.0)
        tried, rates = attempts.all()
        return Surveyed(
            rehearsal=self.rehearsal,
            draft=self.draft,
            weights=self.weights,
            profile=self.profile,
            score=score,
            layers=layers,
            alignment=alignment,
            epoch=attempts.epoch or 0.0,
            kept_whole=attempts.kept_whole,
            batch=self.batch,
            latency_batch=self.latency_batch,
            notes=tuple(self.notes),
            tried=tuple(tried),
            rates=tuple(rates),
            seconds=time.monotonic() - self._begun,
        ).facts()

    def _recipe(self) -> dict[str, Any]:
        data = self.data
        return first_recipe(self.batch, data.loader_batch, self.weights)

    @property
    def batch(self) -> int:
        """Batch size that suits the data."""
        data = self.data
        return batch_size_for(data.size("train"), elements(data), data.task.outputs.per)

    # -- steps -----------------------------------------------------------------------------------

    def _check(self, step: str, check: Callable[[Rehearsal], Any]) -> None:
        """Runs a check of a preflight.

        Raises:
            UserError: It found a mistake; the text names the command-line option.
        """
        self.say(step)
        where = self.draft.document().where
        for finding in check(self.rehearsal):
            if finding.state == "mistake":
                raise UserError(_mistake(finding, where(finding.key), self.draft))
            if finding.state == "note":
                self.notes.append(finding.text)

    def _measure(self) -> None:
        """Measures the baseline once.

        Most trials of a search end their timing as soon as it is precise, long before its
        `seconds`. So a brief survey takes a short timing for theirs.

        Raises:
            UserError: A quantity cannot be measured.
        """
        rehearsal = self.rehearsal
        rehearsal.quick, quick = self.brief or rehearsal.quick, rehearsal.quick
        begun = time.monotonic()
        self._check("measuring the baseline", check_objectives)
        if self.brief:
            rehearsal.seconds["measure"] = time.monotonic() - begun
        rehearsal.quick = quick

    def _choose_latency(self, quick: bool = False) -> None:
        """Chooses how the study measures the latency.

        Args:
            quick: Whether a trial trains for seconds only.
        """
        assert self.profile is not None
        runtimes = [target.deployment.name for target in self.rehearsal.targets]
        latency = self.profile.latency
        options = latency_options(latency, self.draft.fixed_latency, runtimes, quick)
        self.draft.set_latency(options)
        self.latency_batch = options.get("batch", 1) if isinstance(options, dict) else 1

    def _shorten_timing(self, epoch: float) -> None:
        """Shortens the timing of a study whose trials train for seconds only."""
        seconds = self.rehearsal.seconds
        if epoch * TYPICAL_EPOCHS >= QUICK_TRAINING:
            return
        if self.brief:
            self._choose_latency(quick=True)
        elif seconds.get("measure", 0.0) > QUICK_SECONDS:
            self._choose_latency(quick=True)
            saved = (FULL_SECONDS - QUICK_SECONDS) * len(self.rehearsal.targets)
            seconds["measure"] = max(QUICK_SECONDS, seconds["measure"] - saved)

    def _refuse_short_time(self, epoch: float) -> None:
        """Refuses a time that is too short for two measurements and an epoch.

        Raises:
            UserError: It is; nothing was tried for long.
        """
        spec, seconds = self.rehearsal.spec, self.rehearsal.seconds
        handling = seconds.get("deploy", 0.0) + seconds.get("measure", 0.0)
        shortest = 2 * handling + epoch
        if spec.seconds is not None and spec.seconds < shortest:
            raise UserError(too_short(self.draft.source["budget"]["time"], shortest, epoch))

    def _profiled(self) -> Profile:
        """Profiles the baseline's file on the first target."""
        rehearsal = self.rehearsal
        network, deployed = rehearsal.network, rehearsal.deployed[0]
        assert network is not None
        candidate = network.candidate
        profiled = ProfiledNetwork(
            subject_of(self.draft),
            candidate.model.cpu().eval(),
            candidate.shape,
            candidate.outputs.size,
            rehearsal.spec.baseline.architecture,
            deployed.artifact,
            deployed.target.deployment.runtime,
            deployed.target.deployment.options,
            False,
            (),
            rehearsal.data,
        )
        return profile_network(profiled, 1, None, PROFILED, self.brief)

    def _score(self) -> ScoreFact:
        """Returns the main score, measured if the baseline is trained."""
        spec = self.rehearsal.spec
        objective = spec.objectives[0]
        quantity = Quantity.of(objective.name)
        better = "lower" if objective.direction == "minimize" else "higher"
        name = quantity.local
        if self.weights not in ("checkpoint", "code"):
            return ScoreFact(name, better, objective.unit)  # type: ignore[arg-type]
        self.say("scoring the baseline")
        measured = self._measured_score(name, whole=True)
        short = self._measured_score(name, whole=False)
        return ScoreFact(
            name,
            better,  # type: ignore[arg-type]
            objective.unit,
            measured.value,
            format_about(measured),
            short.value if short else None,
        )

    def _measured_score(self, name: str, whole: bool) -> Measurement:
        rehearsal = self.rehearsal
        deployed = rehearsal.deployed[0]
        data = self.data if whole else rehearsal.measured_data()
        subject = deployed.target.subject(deployed.artifact, deployed.model, data)
        return measured_score(subject, dict(rehearsal.targets[0].gauge.quantities), name)

    def _layers(self) -> dict[str, int]:
        """Returns the units of each layer that can be pruned."""
        spec, data = self.rehearsal.spec, self.data
        network = self.rehearsal.network
        assert network is not None
        names = prunable_layer_names(
            spec.baseline.architecture, data.shape, data.task.outputs, data.task.keep
        )
        modules = dict(network.candidate.model.named_modules())
        units = {}
        for name in names:
            weight = getattr(modules.get(name), "weight", None)
            if weight is not None and weight.ndim > 1:
                units[name] = int(weight.shape[0])
        return units


def _mistake(finding: Finding, where: str, draft: Draft) -> str:
    """Returns the error text of a finding."""
    if finding.key == ("baseline",):
        option = "--checkpoint" if "checkpoint" in finding.text.lower() else ""
        value = draft.request.checkpoint if option else None
        where = f"{option} {value}" if value else model_option(draft)
    named = finding.item in ("", "baseline", "your model as it is", *finding.key)
    return f"{where}: {finding.text if named else f'{finding.item}: {finding.text}'}"
