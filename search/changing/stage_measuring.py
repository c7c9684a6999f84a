"""Measures the stored artifacts of earlier trials, without training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from paretune.objectives.base import Measurement
from paretune.search.building.watch import Watch
from paretune.search.changing.new_measurements import NewMeasurements, NotMeasurable
from paretune.search.changing.present import required_quantities
from paretune.search.files import sha256_of
from paretune.search.measuring.gauge import quantity_of
from paretune.search.measuring.targets import NO_MODEL
from paretune.search.study.plan import Plan
from paretune.search.study.quantity import depends_on_artifact, local_values
from paretune.search.study.tables import OBJECTIVES
from paretune.search.trial.structure_timings import StructureTimings
from paretune.search.trial.workbench import Deployed
from paretune.search.views.words import and_text

if TYPE_CHECKING:
    from paretune.objectives.runtimes.base import Artifact
    from paretune.search.measuring.targets import Target
    from paretune.search.study.records import TrialRecord
    from paretune.search.trial.stage_study import StageStudy
    from paretune.search.trial.workbench import Workbench
    from paretune.spaces.base import Candidate


class StageMeasuring:
    """Measures trials of a study with the built-in stages.

    Args:
        study: The open study.
    """

    def __init__(self, study: StageStudy) -> None:
        self._study = study

    def measure(
        self,
        trial: TrialRecord,
        valid: Mapping[str, Measurement],
        baseline: TrialRecord | None,
        seed: int,
    ) -> NewMeasurements:
        """Measures what a trial lacks, on its files.

        A file that is gone or changed is made again, if the stage cache has the trained network.

        Args:
            trial: A complete trial.
            valid: Quantity -> measurement, of those that hold in the present version.
            baseline: Trial 0; None for the baseline itself.
            seed: The study's seed when the trial was trained.

        Raises:
            NotMeasurable: That needs training.
            Exception: Whatever a runtime or an objective raises.
        """
        bench = self._study.workbench_for(seed)
        files = _TrialFiles(bench, trial)
        if baseline is not None:
            _TrialFiles(self._study.workbench, baseline).require()
        measured: list[Measurement] = []
        for target in bench.targets:
            held = {} if files.is_other(target) else valid
            gauge = target.gauge.without(local_values(held, target.name))
            if gauge.quantities:
                lacking = replace(target, gauge=gauge)
                answers = self._answers(bench, files, lacking, trial, baseline)
                measured += [m for m in answers if m.name not in held]
        return NewMeasurements(tuple(measured), files.rows())

    def _answers(
        self,
        bench: Workbench,
        files: _TrialFiles,
        target: Target,
        trial: TrialRecord,
        baseline: TrialRecord | None,
    ) -> list[Measurement]:
        artifact = files.artifact(target)
        candidate = files.candidate
        if candidate is None:
            target = self._without_network(target, files.dropped)
            return target.measure(bench.subject(target, artifact, NO_MODEL, baseline))
        timings = StructureTimings(bench, self._study.structures)
        deployed = Deployed(target, artifact, candidate.model)
        return timings.measure(
            trial.number, files.plan, deployed, baseline, files.watch.stage_seconds
        )

    def _without_network(self, target: Target, dropped: list[str]) -> Target:
        """Returns the target with the quantities that need the file alone.

        Raises:
            NotMeasurable: The study requires one that needs the trained network.
        """
        gauge = target.gauge
        kept = [(n, o) for n, o in gauge.quantities if depends_on_artifact(OBJECTIVES.get(n))]
        required = {
            quantity_of(name, self._study.spec.metrics).objective
            for name in required_quantities(self._study.spec)
        }
        names = [name for name, _ in gauge.quantities if name in required]
        if lacking := [name for name in names if name not in dict(kept)]:
            raise NotMeasurable(
                f"{and_text(lacking)} needs the network, and {_stages_text(dropped)} would have "
                "to be trained again"
            )
        return replace(target, gauge=replace(gauge, quantities=tuple(kept)))


class _TrialFiles:
    """The files of a trial, and its network if the stage cache has it.

    Args:
        bench: The study's parts, with the seed of the trial.
        trial: A complete trial.
    """

    def __init__(self, bench: Workbench, trial: TrialRecord) -> None:
        self._bench = bench
        self._trial = trial
        self.plan = Plan.from_json(trial.plan)
        self.watch = Watch()
        self.dropped = bench.pipeline.dropped(self.plan)
        self._candidate: Candidate | None = None
        self._made: dict[str | None, Artifact] = {}

    @property
    def candidate(self) -> Candidate | None:
        """The trained network; None if it would have to be trained again."""
        if self._candidate is None and not self.dropped:
            self._candidate = self._bench.pipeline.candidate(self.plan, self.watch)
        return self._candidate

    def artifact(self, target: Target) -> Artifact:
        """Returns the file for a target, made again if it is gone or changed.

        Raises:
            NotMeasurable: That needs training.
        """
        if self._made:
            return self._made[target.name]
        stored = self._stored(target)
        if stored is not None:
            return stored
        if self.candidate is None:
            raise NotMeasurable(
                f"its file is gone or changed, and {_stages_text(self.dropped)} would have to be "
                "trained again"
            )
        deployed = self._bench.deploy(self.plan, self.candidate, self._trial.number, self.watch)
        self._made = {each.target.name: each.artifact for each in deployed}
        return self._made[target.name]

    def require(self) -> None:
        """Makes the files that are gone.

        Raises:
            NotMeasurable: That needs training.
        """
        for target in self._bench.targets:
            self.artifact(target)

    def is_other(self, target: Target) -> bool:
        """Returns whether the file for a target is another one than the study measured."""
        recorded = self._bench.artifact(self._trial, target.name).sha256
        return self.artifact(target).sha256 != recorded

    def rows(self) -> dict[str, Any]:
        """Returns "artifact" and "artifacts" as the database stores them; empty if none changed."""
        if not self._made:
            return {}
        stored = {name: self._bench.artifact_json(each) for name, each in self._made.items()}
        named = {name: each for name, each in stored.items() if name is not None}
        return {"artifact": next(iter(stored.values())), "artifacts": named or None}

    def _stored(self, target: Target) -> Artifact | None:
        """Returns the stored file; None if it is gone or changed."""
        artifact = self._bench.artifact(self._trial, target.name)
        intact = artifact.path.is_file() and sha256_of(artifact.path) == artifact.sha256
        return artifact if intact else None


def _stages_text(stages: list[str]) -> str:
    return f"its {'stage' if len(stages) == 1 else 'stages'} {and_text(stages)}"
