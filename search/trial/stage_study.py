"""A study with the built-in stages, open for work."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch

from paretune.inputs import sizes
from paretune.objectives.base import Measurement, Subject
from paretune.objectives.device_use import DeviceUse
from paretune.objectives.errors import Unmeasurable
from paretune.search.building.pipeline import Pipeline
from paretune.search.building.stage_cache import StageCache
from paretune.search.building.training_cost import TrainingCosts
from paretune.search.database.devices import Devices
from paretune.search.database.elastic_checks import ElasticChecks
from paretune.search.database.leases import Leases
from paretune.search.database.structures import Structures
from paretune.search.database.subnets import Subnets
from paretune.search.measuring.session import time_again
from paretune.search.measuring.targets import NO_MODEL, Target, targets_of
from paretune.search.sampling.subnet_estimates import SubnetEstimates
from paretune.search.study.deployment import deployments
from paretune.search.study.plan import Plan, baseline_plan, make_plan
from paretune.search.study.records import Result, Trained, TrialRecord
from paretune.search.study.role import Role
from paretune.search.study.seed_results import SeedResult
from paretune.search.tasks import CLASSIFICATION
from paretune.search.trial.elastic_checking import ElasticChecking
from paretune.search.trial.evaluation import Evaluation
from paretune.search.trial.events import Reporter
from paretune.search.trial.open_study import OpenStudy
from paretune.search.trial.resume_check import refuse_other_data
from paretune.search.trial.screening import Screening
from paretune.search.trial.seed_training import SeedTraining
from paretune.search.trial.structure_timings import StructureTimings
from paretune.search.trial.study_data import load_study_data
from paretune.search.trial.study_devices import close_devices, devices_of
from paretune.search.trial.study_store import StudyStore
from paretune.search.trial.subnet_scoring import SubnetScoring, drawn_of
from paretune.search.trial.workbench import Workbench

if TYPE_CHECKING:
    from paretune.search.data.dataset import Dataset
    from paretune.search.study.spec import StudySpec


class StageStudy(OpenStudy):
    """A study in which the trials go through the built-in stages.

    Attributes:
        workbench: Data, pipeline and targets of its trials.
        structures: Measurements by structure.
        devices: Target -> its device, of the targets that are not measured on this host.

    Args:
        spec: The study.
        data: Its data, if it is loaded already.

    Raises:
        UserError: Database, data or runtime cannot be used, or the database holds another study.
    """

    packages = ("paretune", "torch", "onnxruntime", "onnx", "optuna", "torch-pruning")

    baseline: Plan
    devices: Mapping[str | None, DeviceUse] = MappingProxyType({})

    def __init__(self, spec: StudySpec, data: Dataset | None = None) -> None:
        self._data = data
        super().__init__(spec)

    def prepare(self) -> None:
        """Loads the data and makes the pipeline."""
        spec = self.spec
        # Before any training: a runtime that sets this when it first measures would make weights
        # depend on what the process did before.
        torch.set_flush_denormal(True)
        data = self._data or load_study_data(spec)
        self.classes = data.task.outputs.size if data.task.name == CLASSIFICATION else None
        self.baseline = baseline_plan(spec.baseline, spec.runtime, spec.targets)
        self.devices = devices_of(spec, Devices(self.engine), self.control)
        targets = targets_of(spec, deployments(self.baseline), self.devices)
        for target in targets:
            target.gauge.refuse(data.task)
        self.timed = any(target.gauge.timed for target in targets)
        self._files = StudyStore.of(spec, self.store)
        cache = StageCache(
            spec.folder / "stages",
            self.store,
            spec.cache_limit,
            self._needed,
            self._files.shared if self._files else None,
        )
        pipeline = self._pipeline(data, cache, spec.seed)
        costs = TrainingCosts(pipeline, cache, data)
        self.cost = lambda choices: costs.price(self.plan(choices))
        self.overhead = costs.of_seconds(sum(target.trial_seconds for target in targets))
        self.workbench = Workbench(
            spec, self.host, data, targets, pipeline, cache, self.store, self.race
        )
        self.structures = Structures(self.engine)
        timings = StructureTimings(self.workbench, self.structures)
        screening = Screening(self.workbench, timings)
        subnets = Subnets(self.engine)
        self._elastic = ElasticChecking(
            self.workbench, ElasticChecks(self.engine), lambda text: self.control.notify(text)
        )
        scoring = SubnetScoring(self.workbench, subnets, self._elastic)
        self.estimates = SubnetEstimates(spec, subnets.scores) if drawn_of(spec) else None
        self.evaluation = Evaluation(self.workbench, timings, screening, self.control, scoring)
        self._seeds = SeedTraining(self.workbench, self.baseline, self.control)

    def _pipeline(self, data: Dataset, cache: StageCache, seed: int) -> Pipeline:
        spec = self.spec
        folder = spec.file.parent
        return Pipeline(data, cache, self.baseline, seed, spec.device, self.store.add_curve, folder)

    def workbench_for(self, seed: int) -> Workbench:
        """Returns the parts of the study, to build plans as under an earlier seed of it."""
        bench = self.workbench
        if seed == self.spec.seed:
            return bench
        return replace(bench, pipeline=self._pipeline(bench.data, bench.cache, seed))

    def register(self, role: Role = Role.ALL) -> None:
        """Writes the study and this host to the database.

        Args:
            role: The kinds of stages that this process runs.

        Raises:
            UserError: Trials of the study were measured on other data or on another split of it.
        """
        stored = self.store.study()
        refuse_other_data(
            self.spec, stored["info"] if stored else {}, self.workbench.data.fingerprint
        )
        if self._files is not None:
            self._files.begin(self.store)
        super().register(role)

    def _needed(self) -> set[str]:
        """Returns the keys of stages that must stay in the cache: of baseline, front, teachers."""
        rows = self.store.rows({0, *self.store.front_members()})
        plans = [self.baseline, *(Plan.from_json(row["plan"]) for row in rows)]
        return self.workbench.pipeline.keys(plans, self.spec.teachers.values())

    def plan(self, choices: Mapping[str, Any]) -> Plan:
        """Returns the plan for one assignment of the space."""
        return make_plan(choices, self.spec.runtime, self.spec.teachers, self.spec.targets)

    def stages(self, plan: Plan) -> Sequence[str]:
        """Returns the stages of a plan; its runtime quantizes while it deploys."""
        return [*(s.kind for s in plan.stages if s.kind != "quantize"), "measure"]

    def trained(self, plan: Plan) -> bool:
        """Returns whether the stage cache holds everything that a plan trains."""
        return self.workbench.trained(plan)

    def forget(self, plan: Plan) -> None:
        """Drops the snapshot of an interrupted training."""
        self.workbench.forget(plan)

    def evaluate(
        self, number: int, plan: Plan, baseline: TrialRecord | None, report: Reporter
    ) -> Result:
        """Builds, deploys and measures a plan."""
        return self.evaluation.evaluate(number, plan, baseline, report)

    def train(
        self, number: int, plan: Plan, baseline: TrialRecord | None, report: Reporter
    ) -> Result | Trained:
        """Trains a plan, for another worker that measures it."""
        return self.evaluation.train(number, plan, baseline, report)

    def test(self, trial: TrialRecord) -> Sequence[Measurement]:
        """Measures what depends on data on the test part."""
        bench = self.workbench
        return [
            measurement
            for target in bench.targets
            for measurement in target.test(bench.artifact(trial, target.name), bench.data)
        ]

    def lacks_test(self, trial: TrialRecord) -> bool:
        """Returns whether a trial was measured on the test part, but without a new objective."""
        targets = self.workbench.targets
        return any(not target.tested_names() <= trial.test.keys() for target in targets)

    def is_repeatable(self, plan: Plan) -> bool:
        """Returns whether a plan trains anything of its own."""
        return self._seeds.is_repeatable(plan)

    def repeat_setting(self) -> str:
        """Returns a digest of the seed, and of what is measured with which options."""
        return self._seeds.setting()

    def repeat(self, trial: TrialRecord, repeat: int, report: Reporter) -> SeedResult:
        """Trains a trial again with another seed, and measures its scores."""
        return self._seeds.repeat(trial, repeat, report)

    def time_again(
        self, trials: Sequence[TrialRecord], seconds: float
    ) -> Mapping[int, Sequence[Measurement]]:
        """Times trials again, in one session per target.

        Args:
            trials: The baseline first.
            seconds: Approximate length of all sessions.
        """
        results: dict[int, list[Measurement]] = {trial.number: [] for trial in trials}
        until = time.monotonic() + seconds
        targets = self.workbench.targets
        for index, target in enumerate(targets):
            left = (until - time.monotonic()) / (len(targets) - index)
            target = target.without_load()
            timings = time_again(target.gauge, self._subjects(trials, target), left)
            for trial, measurements in zip(trials, timings, strict=True):
                results[trial.number] += target.named(measurements)
        return results

    def final_lock(self) -> AbstractContextManager[object]:
        """Returns what keeps other workers from the same final session.

        A session on a device may wait for it for long, so it does not hold the host.
        """
        return Leases(self.engine).held("final session") if self.devices else super().final_lock()

    def close(self) -> None:
        """Closes the connections to the database and to devices."""
        close_devices(self.devices)
        super().close()

    def _subjects(self, trials: Sequence[TrialRecord], target: Target) -> list[Subject]:
        """Returns the trials' artifacts for a target, to time them in turn with the baseline."""
        artifacts = [self.workbench.artifact(trial, target.name) for trial in trials]
        for artifact in artifacts:
            if not artifact.path.is_file():
                raise Unmeasurable(f"{artifact.path}: this file is gone")
        reference = trials[0].measurements
        return [
            target.subject(artifact, NO_MODEL, self.workbench.data, artifacts[0], reference)
            for artifact in artifacts
        ]

    def refuse_search(self) -> None:
        """Refuses further trials if no subnet of the elastic training is of use."""
        if self.estimates is not None:
            self._elastic.refuse_search(self.spec.space)

    def facts(self) -> Mapping[str, Any]:
        """Returns the data set and how its inputs are prepared."""
        data = self.workbench.data
        return {
            "data": {"name": self.spec.data.name, **data.info()},
            **({} if self.classes is None else {"classes": self.classes}),
            "shape": sizes(data.shape),
            "fingerprint": data.fingerprint,
            "preprocessing": data.preprocessing(),
            **(self._files.facts() if self._files else {}),
        }
