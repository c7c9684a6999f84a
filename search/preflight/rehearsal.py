"""Rehearsal: builds, trains and deploys plans of a study on a few examples, in a temporary folder.

Stages, teachers and files are those of a run: the pipeline is the same, its data is an excerpt and
its trainings have three epochs. Only the export probe works on the whole data set.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

import torch

from paretune.search.building.exporting import export
from paretune.search.building.pipeline import Pipeline
from paretune.search.building.stage_cache import StageCache
from paretune.search.building.watch import Watch
from paretune.search.database.engine import open_engine
from paretune.search.database.store import Store
from paretune.search.measuring.host_lock import host_lock
from paretune.search.measuring.targets import Target, targets_of
from paretune.search.preflight.excerpt import VALIDATION, Excerpt, Pool, rows_of
from paretune.search.preflight.short_plans import batch_size, short_plan
from paretune.search.preflight.variants import Variant
from paretune.search.study.deployment import deployments
from paretune.search.study.plan import Plan, baseline_plan, make_plan
from paretune.search.trial.study_devices import close_devices, devices_of
from paretune.search.trial.workbench import Deployed
from paretune.spaces.domains import parameters
from paretune.spaces.rebuild import initial_candidate
from paretune.spaces.training.recipe import Recipe

if TYPE_CHECKING:
    from paretune.objectives.base import Measurement
    from paretune.objectives.runtimes.base import Artifact
    from paretune.search.data.dataset import Dataset
    from paretune.search.study.spec import StudySpec
    from paretune.spaces.base import Candidate, EpochEnd

CACHE = 2 * 10**9
"""Bytes of the temporary stage cache."""

BATCHES, BATCHES_QUICK = 8, 4
"""Batches of an excerpt, if they fit into memory."""

NO_TRAINING = Recipe(epochs=0).to_json()
"""A recipe that accepts the weights that a network starts with, even random ones."""

UNTRAINED: Mapping[str, Any] = {
    "pretrain": NO_TRAINING,
    "finetune": None,
    "distillation": {"none": {}},
    "pruning": {"none": {}},
    "quantization": {"none": {}},
}
"""Choices of a network that is only built."""


@dataclass(frozen=True)
class Rehearsed:
    """A plan that was built on an excerpt.

    Attributes:
        plan: The plan, with its own numbers of epochs.
        candidate: Its network.
        epochs: Training stage -> seconds of its quickest epoch on the excerpt, after the first.
        share: Share of the training part that the excerpt holds.
        losses: Training stage -> mean loss of its last epoch.
    """

    plan: Plan
    candidate: Candidate
    epochs: Mapping[str, float]
    share: float
    losses: Mapping[str, float] = field(default_factory=dict)


@dataclass
class Rehearsal:
    """The parts of a study, to try them.

    Attributes:
        spec: The study.
        data: Its data set.
        folder: Folder for temporary files.
        quick: Whether it is the first step of a run, which must not take long.
        probes: Folder of the export probe's results; a run keeps them in its stage cache.
        until: Time at which a quick rehearsal ends, by `time.monotonic`.
        network: The baseline on an excerpt; None until it is built.
        refused: Whether the baseline cannot be built, trained or deployed.
        deployed: The baseline's file for each target; empty until it is exported.
        sizes: (parameters, variant) of each architecture of the space that can be built.
        values: Quantity -> measurement of the baseline.
        devices: Target -> its device, which is not waited for.
        refused_devices: Targets whose device cannot be used; nothing is measured there.
        seconds: "deploy" and "measure" -> seconds for one network on all targets.
    """

    spec: StudySpec
    data: Dataset
    folder: Path
    quick: bool
    probes: Path
    until: float
    network: Rehearsed | None = None
    refused: bool = False
    deployed: list[Deployed] = field(default_factory=list)
    sizes: list[tuple[int, Variant]] = field(default_factory=list)
    values: dict[str, Measurement] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    refused_devices: set[str | None] = field(default_factory=set)

    def __post_init__(self) -> None:
        torch.set_flush_denormal(True)  # as a run does before any training
        self.store = Store(open_engine(f"sqlite:///{self.folder}/rehearsal.db", create=True))
        self.baseline = baseline_plan(self.spec.baseline, self.spec.runtime, self.spec.targets)
        self.devices = devices_of(self.spec)
        self.targets = targets_of(self.spec, deployments(self.baseline), self.devices)
        self._pipelines: dict[int, Pipeline] = {}
        self._pools: dict[int, Pool] = {}
        self._files = 0

    @property
    def over(self) -> bool:
        """Whether the time of a quick rehearsal is used up."""
        return time.monotonic() >= self.until

    @cached_property
    def real(self) -> Pipeline:
        """The pipeline of the study; used to probe exports, not to train."""
        cache = StageCache(self.probes, self.store)
        spec = self.spec
        return Pipeline(
            self.data,
            cache,
            self.baseline,
            spec.seed,
            spec.device,
            folder=spec.file.parent,
        )

    def plan(self, choices: Mapping[str, Any]) -> Plan:
        """Returns the plan for one concrete value of the space."""
        spec = self.spec
        return make_plan(choices, spec.runtime, spec.teachers, spec.targets)

    def choices(self, variant: Variant, **replaced: Any) -> dict[str, Any]:
        """Returns the concrete value of the space for a variant, with some sections replaced."""
        return {**variant.choices(self.spec.space), **replaced}

    def untrained(self, variant: Variant, **replaced: Any) -> Plan:
        """Returns the plan of a variant that trains nothing and changes nothing, but `replaced`."""
        return self.plan(self.choices(variant, **{**UNTRAINED, **replaced}))

    def build(self, plan: Plan) -> Rehearsed:
        """Builds and trains a plan on an excerpt.

        Raises:
            StageError: A stage failed, or the candidate is infeasible.
            UserError: A file of the study cannot be used.
        """
        short = short_plan(plan)
        excerpt, pipeline = self._bench(batch_size(short))
        seconds: dict[str, float] = {}
        losses: dict[str, float] = {}

        def epoch(event: EpochEnd) -> None:
            losses[event.stage] = event.loss
            if event.epoch > 1 or event.epochs == 1:
                seconds[event.stage] = min(event.seconds, seconds.get(event.stage, math.inf))

        candidate = pipeline.candidate(short, Watch(epoch=epoch))
        share = excerpt.size("train") / self.data.size("train")
        return Rehearsed(plan, candidate, seconds, share, losses)

    def option_key(self, section: str, option: str) -> tuple[str, ...]:
        """Returns the path of an option of the space in the study file."""
        choice = any(parameter.name == section for parameter in parameters(self.spec.space))
        return ("space", section, *(("choice",) if choice else ()), option)

    def untrained_network(self, architecture: Mapping[str, Any]) -> Candidate:
        """Returns a network with its first weights.

        Raises:
            InfeasibleCandidate: It cannot be built for the data.
        """
        data = self.data
        task = data.task
        return initial_candidate(architecture, data.shape, task.outputs, self.spec.seed, task.keep)

    def deploy(self, candidate: Candidate, target: Target) -> Artifact:
        """Exports a network for a target, in float if the target lacks its number format.

        A float file is compared with its network. Those of other formats are not: their tolerance
        is one for trained networks.

        Raises:
            StageError: As `Pipeline.deploy`.
            Unmeasurable: The runtime cannot export or quantize it.
        """
        self._files += 1
        path = self.folder / f"network-{self._files}{target.deployment.suffix}"
        suited = target.deployment.in_supported_format(candidate)
        if suited.quantization is None:
            return self.real.deploy(self.baseline, suited, path, Watch(), target.deployment)
        with host_lock.working():
            return export(suited, target.deployment.name, path, self.data)

    def batch(self, count: int = 2) -> Any:
        """Returns some training inputs."""
        return rows_of(self._pool(count).inputs, slice(0, count))

    def training_batch(self, count: int = 8) -> tuple[Any, Any]:
        """Returns inputs and targets of some training examples, or of a loader's first batch."""
        pool = self._pool(count)
        if not pool.by_row:
            return pool.batches[0]
        rows = slice(0, count)
        return rows_of(pool.inputs, rows), rows_of(pool.targets, rows)

    def measured_data(self) -> Dataset:
        """Returns the data set with a short validation part."""
        return self._excerpt(1, VALIDATION)

    def load_seconds(self, batch: int) -> float:
        """Returns the seconds that reading the training part once takes."""
        return self._pool(batch).seconds * self.data.size("train")

    def _bench(self, batch: int) -> tuple[Dataset, Pipeline]:
        """Returns an excerpt for batches of this size, and a pipeline that trains on it."""
        excerpt = self._excerpt(batch or 1, VALIDATION)
        if batch not in self._pipelines:
            self._pipelines[batch] = Pipeline(
                excerpt,
                StageCache(self.folder / "stages", self.store, CACHE),
                short_plan(self.baseline),
                self.spec.seed,
                self.spec.device,
                folder=self.spec.file.parent,
            )
        return excerpt, self._pipelines[batch]

    def _excerpt(self, batch: int, validation: int) -> Dataset:
        pool = self._pool(batch)
        return cast("Dataset", Excerpt(self.data, pool, validation))

    def _pool(self, batch: int) -> Pool:
        batch = self.data.loader_batch or batch
        if batch not in self._pools:
            self._pools[batch] = Pool(self.data, batch, BATCHES_QUICK if self.quick else BATCHES)
        return self._pools[batch]


@contextmanager
def rehearsal(
    spec: StudySpec, data: Dataset, seconds: float, probes: Path | None = None
) -> Iterator[Rehearsal]:
    """Opens a rehearsal, and removes its temporary files at the end.

    Args:
        spec: The study.
        data: Its data set.
        seconds: Its longest time.
        probes: Folder of the export probe's results of a run; None for a check, which writes
            nothing into the study's folder.
    """
    with TemporaryDirectory(prefix="paretune-") as name:
        folder = Path(name)
        until = time.monotonic() + seconds
        opened = Rehearsal(
            spec, data, folder, probes is not None, probes or folder / "probes", until
        )
        try:
            yield opened
        finally:
            close_devices(opened.devices)
            opened.store.close()
