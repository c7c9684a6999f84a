"""The pipeline: Plan -> Candidate -> Artifact, with trained stages from the cache.

Nothing here depends on a sampler: a plan written by hand is built the same way.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.base import Artifact
from paretune.objectives.training_time import TEACHER
from paretune.search.building.elastic_stages import (
    ElasticNetworks,
    cut_out,
    estimated,
    subnet_facts,
    train_elastic,
    without_subnet,
)
from paretune.search.building.export_probe import ExportProbe, with_log
from paretune.search.building.exporting import export, quiet_placement
from paretune.search.building.file_comparison import DeployedComparison
from paretune.search.building.first_weights import first_candidate
from paretune.search.building.resumable_training import drop_progress, snapshot_for, train_stage
from paretune.search.building.stage_cache import StageCache
from paretune.search.building.stage_keys import Chain, Link, SeedRepeat
from paretune.search.building.teachers import Teachers, teacher_plan
from paretune.search.building.watch import Pace, TrainingPaused, Watch
from paretune.search.errors import UserError
from paretune.search.measuring.host_lock import host_lock
from paretune.search.study.deployment import (
    Deployment,
    deployments,
    rounding_runtime,
    unquantized,
)
from paretune.search.study.elastic import ELASTIC, SUBNET
from paretune.search.study.plan import Plan
from paretune.search.study.spec import digest
from paretune.search.study.stage import TECHNIQUES, Stage
from paretune.spaces.base import Candidate, Context, EpochEnd
from paretune.spaces.distillation import DISTILLATIONS
from paretune.spaces.pruning.amounts import pruned_amounts
from paretune.spaces.rebuild import initial_candidate, rebuild
from paretune.spaces.table import Option, Slot, Table
from paretune.spaces.twin import accepted

if TYPE_CHECKING:
    from paretune.search.data.dataset import Dataset
    from paretune.spaces.elastic.estimates import SubnetEstimate
    from paretune.spaces.training.snapshot import Snapshot


class Pipeline:
    """Builds plans on one data set.

    Args:
        data: Training and validation parts.
        cache: Keeps training stages.
        baseline: The baseline's plan; its model is the default teacher.
        seed: The study's seed.
        device: "cpu", "cuda", "mps" or "auto".
        save_curve: Called with (stage key, learning curve) after a training stage.
        folder: Folder of the study file, which paths of checkpoints are relative to.
    """

    def __init__(
        self,
        data: Dataset,
        cache: StageCache,
        baseline: Plan,
        seed: int,
        device: str = "auto",
        save_curve: Callable[[str, list[dict[str, Any]]], None] = lambda key, curve: None,
        folder: Path = Path(),
    ) -> None:
        self._data = data
        self._cache = cache
        self._seed = seed
        self._device = resolve_device(device)
        self._save_curve = save_curve
        self._folder = folder
        self._probe = ExportProbe(cache, data)
        self._comparison = DeployedComparison(data)
        self._taken = cache.taken_artifacts
        self._chain = Chain(
            data.fingerprint,
            seed,
            lambda teacher: self._teachers.identity(teacher),
            folder,
            data.task,
        )
        self._teachers = Teachers(
            baseline,
            lambda plan: self._links(plan)[-1].identity,
            self.candidate,
            cache,
            data.task,
        )

    def repeated(self, repeat: SeedRepeat) -> Pipeline:
        """Returns the pipeline that trains plans again with another seed; teachers stay."""
        pipeline = copy(self)
        pipeline._chain = self._chain.repeated(repeat)
        return pipeline

    def keys(self, plans: Iterable[Plan], teachers: Iterable[Mapping[str, Any]]) -> set[str]:
        """Returns the keys of all stages of these plans, and of the teachers.

        Args:
            plans: Any plans.
            teachers: Descriptions of teachers: parameters of a pretrain stage, or {"average":
                [descriptions]}.
        """
        lessons = [teacher_plan(t) for each in teachers for t in _single(each)]
        return {link.digest for plan in (*plans, *lessons) for link in self._links(plan)}

    def probe(self, plan: Plan, watch: Watch) -> None:
        """Refuses a plan before any training if a file would not compute what its network does.

        A plan whose trainings are all in the cache is not probed.

        Raises:
            StageError: The runtime of a target refuses the network, or its file computes something
                else; or the network is not a function of each example.
        """
        trains = any(_learns(link.stage) for link in self._links(plan))
        if trains and self.trained(plan):
            return
        params = plan.stages[0].params
        weights = self._links(plan)[0].digest if params["checkpoint"] else ""
        for deployment in deployments(plan):
            self._probe.check(
                params["architecture"],
                weights,
                lambda: self._initial(params, self._seed),
                deployment,
                watch,
            )

    def trained(self, plan: Plan) -> bool:
        """Returns whether the cache holds everything that a plan trains."""
        return not self.untrained(plan)

    def untrained(self, plan: Plan) -> list[Stage]:
        """Returns the training stages of a plan that are not in the cache."""
        links = self.training_links(plan)
        return [link.stage for link in links if not self._cache.has(link.digest)]

    def training_links(self, plan: Plan) -> list[Link]:
        """Returns the training stages of a plan with their keys."""
        return [link for link in self._links(plan) if _learns(link.stage)]

    def candidate(self, plan: Plan, watch: Watch) -> Candidate:
        """Returns the trained candidate of a plan, marked for quantization but not deployed.

        Raises:
            StageError: A stage failed, or the candidate is infeasible.
        """
        links = self._links(plan)
        first = max((i for i, link in enumerate(links) if self._cache.has(link.digest)), default=-1)
        candidate = None
        if first >= 0:
            candidate = self._cache.load(links[first].digest, rebuild)
        if candidate is None:
            first = -1
            self._check(plan, watch)
        else:
            self._recall(
                links[first].digest, [link.stage.kind for link in links[: first + 1]], watch
            )
        for index, link in enumerate(links):
            kind = link.stage.kind
            if index <= first:
                watch.cached.append(kind)
                with watch.stage(kind):
                    pass
                continue
            self._prepare_teacher(link, watch)
            with watch.stage(kind):
                candidate = self._stage_result(link, candidate, watch)
        assert candidate is not None
        return candidate

    def dropped(self, plan: Plan) -> list[str]:
        """Returns the stages of a plan that must be trained again, as the cache dropped them."""
        missing: list[str] = []
        for link in self._links(plan):
            if self._cache.has(link.digest):
                missing = []  # this stage contains the results of all stages before it
            elif _learns(link.stage):
                missing.append(link.stage.kind)
        return missing

    def _recall(self, key: str, kinds: Sequence[str], watch: Watch) -> None:
        """Adds the seconds that cached stages took when a trial ran them."""
        watch.stage_seconds.update(self._cache.stage_seconds(key) or dict.fromkeys(kinds, math.nan))

    def _check(self, plan: Plan, watch: Watch) -> None:
        """Lets techniques refuse the untrained network, before any training.

        Raises:
            StageError: The technique cannot be applied to this architecture.
        """
        for stage in plan.stages:
            if stage.kind not in TECHNIQUES:
                continue
            with watch.stage(stage.kind):
                _, entry, params = stage.technique
                if hasattr(entry, "check"):
                    architecture = plan.stages[0].params["architecture"]
                    network = initial_candidate(
                        architecture,
                        self._data.shape,
                        self._data.task.outputs,
                        self._seed,
                        self._data.task.keep,
                    )
                    entry.check(network.model, params)

    def deploy(
        self,
        plan: Plan,
        candidate: Candidate,
        path: Path,
        watch: Watch,
        deployment: Deployment | None = None,
    ) -> Artifact:
        """Exports a candidate for the plan's first runtime, or for a deployment.

        Raises:
            StageError: The runtime cannot export or quantize it, or the file computes something
                else than the candidate.
        """
        deployment = deployment or deployments(plan)[0]
        with watch.stage("deploy"), host_lock.working():
            taken = self._taken_artifact(plan, candidate, path, deployment)
            if taken is not None:
                return taken
            try:
                artifact = export(candidate, deployment.name, path, self._data)
            except Unmeasurable as error:
                key = f"{deployment.name}-{path.stem}"
                raise with_log(error, lambda text: self._cache.log(key, text)) from None
            return self._compared(artifact, candidate, deployment)

    def _taken_artifact(
        self, plan: Plan, candidate: Candidate, path: Path, deployment: Deployment
    ) -> Artifact | None:
        """Returns the file of another study for this network; None if there is none that agrees."""
        if self._taken.is_empty or self._is_partial(plan):
            return None
        artifact = self._taken.take(self.deployed_key(plan, deployment), path)
        if artifact is None:
            return None
        with suppress(Unmeasurable):  # it is written again then
            return self._compared(artifact, candidate, deployment)
        return None

    def _is_partial(self, plan: Plan) -> bool:
        """Returns whether a candidate of this plan may be in the middle of its training."""
        key = self.trained_key(plan)
        return key is None or not self._cache.has(key)

    def _compared(
        self, artifact: Artifact, candidate: Candidate, deployment: Deployment
    ) -> Artifact:
        if amounts := pruned_amounts(without_subnet(candidate).history):
            artifact = replace(artifact, info={**artifact.info, "pruned": amounts})
        if facts := subnet_facts(candidate):
            artifact = replace(artifact, info={**artifact.info, SUBNET: facts})
        return self._comparison.checked(artifact, candidate, deployment)

    def trained_key(self, plan: Plan) -> str | None:
        """Returns the key of the last stage of a plan that the cache keeps; None if none is."""
        kept = [link.digest for link in self._links(plan) if link.stage.trains]
        return kept[-1] if kept else None

    def deployed_key(self, plan: Plan, deployment: Deployment) -> str:
        """Returns a digest of everything that a deployed file depends on, except versions."""
        stage = plan.stage("quantize")
        if stage is not None and deployment.unsupported(stage.params["quantization"]):
            plan = unquantized(plan)  # as `suited` builds it
        return digest([self._links(plan)[-1].digest, deployment.name])[:32]

    def suited(
        self, plan: Plan, candidate: Candidate, deployment: Deployment
    ) -> tuple[Candidate, str]:
        """Returns the candidate for a deployment, and a note, mostly empty.

        If the runtime lacks the plan's quantization, this is the float network before that stage. A
        network from quantization-aware training would run in float, with the rounding on top.

        Raises:
            StageError: As for `candidate`.
        """
        lacking = deployment.unsupported(candidate.quantization)
        if not lacking:
            return candidate, ""
        note = f"float32: {deployment.name} has no {', '.join(lacking)}"
        return self.candidate(unquantized(plan), Watch()), note

    # -- one stage -------------------------------------------------------------------------------

    def _stage_result(self, link: Link, candidate: Candidate | None, watch: Watch) -> Candidate:
        """Returns a stage's result; two workers never train it at once."""
        kind, begun = link.stage.kind, time.perf_counter()
        pace = watch.pace if watch.pace and watch.pace.kind == kind else None
        if not link.stage.trains:
            result = self._apply(link, candidate, watch)
            watch.stage_seconds[kind] = time.perf_counter() - begun
            return result
        with self._cache.training(link.digest):
            cached = self._cache.load(link.digest, rebuild)
            if cached is not None:
                watch.cached.append(kind)
                self._recall(link.digest, [kind], watch)
                return cached
            earlier = snapshot_for(self._cache, link, pace)
            begun, held = time.perf_counter(), watch.held
            result = self._apply(link, candidate, watch, earlier, pace)
            seconds = time.perf_counter() - begun - (watch.held - held)
            seconds += earlier.seconds if earlier else 0.0
            seconds -= pace.spent if pace else 0.0
            watch.stage_seconds[kind] = seconds
            if link.stage.params.get("distillation"):
                watch.stage_seconds[TEACHER] = self._teachers.seconds(
                    link.stage.params.get("teacher")
                )
            self._cache.save(link.digest, kind, link.parent, result, seconds, watch.stage_seconds)
            drop_progress(self._cache, link)
            return result

    def _apply(
        self,
        link: Link,
        candidate: Candidate | None,
        watch: Watch,
        resume: Snapshot | None = None,
        pace: Pace | None = None,
    ) -> Candidate:
        curve: list[dict[str, Any]] = [dict(point) for point in resume.curve] if resume else []

        def report(event: EpochEnd) -> None:
            point = {"epoch": event.epoch, "loss": event.loss, "accuracy": event.accuracy}
            curve.append({**point, "seconds": event.seconds})
            watch.epoch_done(event)

        context = self._context(link, report, watch)
        try:
            with host_lock.working():
                result = self._stage(link, candidate, context, resume, pace)
        except TrainingPaused:
            self._save_curve(link.digest, curve)
            raise
        if curve:
            self._save_curve(link.digest, curve)
        return result

    def _context(self, link: Link, report: Callable[[EpochEnd], None], watch: Watch) -> Context:
        context = Context(
            data=self._data,
            device=self._device,
            seed=link.seed,
            report=report,
            memo=lambda name, make: self._cache.memo(f"{link.parent}.{name}", make),
            placement=quiet_placement(link.runtime),
            yield_to_measurements=host_lock.breathe,
        )
        distillation = link.stage.params.get("distillation")
        if not distillation:
            return context
        described = link.stage.params.get("teacher")
        return replace(
            context,
            teacher=self._teachers.model(described, watch),
            distillation=_option(DISTILLATIONS, distillation),
            teacher_logits=lambda make: self._teachers.logits(described, make),
        )

    def _prepare_teacher(self, link: Link, watch: Watch) -> None:
        """Builds a stage's teacher, if any, as a separate stage, since it may take long."""
        described = link.stage.params.get("teacher")
        if link.stage.params.get("distillation") and not self._teachers.ready(described):
            with watch.stage("teacher"):
                self._teachers.model(described, watch)

    def _stage(
        self,
        link: Link,
        candidate: Candidate | None,
        context: Context,
        resume: Snapshot | None = None,
        pace: Pace | None = None,
    ) -> Candidate:
        stage = link.stage
        if stage.kind == "pretrain":
            return self._pretrained(link, context, resume, pace)
        assert candidate is not None
        if stage.kind == "finetune":
            return train_stage(self._cache, link, candidate, context, resume, pace)
        if stage.kind == ELASTIC:
            return train_elastic(self._cache, link, candidate, context, resume, pace)
        if stage.kind == SUBNET:
            return cut_out(candidate, stage.params[SUBNET], context)
        name, entry, params = stage.technique
        result: Candidate = entry.apply(candidate, params, context)
        return accepted(candidate, result, name)

    def _pretrained(
        self, link: Link, context: Context, resume: Snapshot | None, pace: Pace | None
    ) -> Candidate:
        params = link.stage.params
        candidate = self._initial(params, link.weights_seed)
        if params["recipe"] is None or params["recipe"]["epochs"] == 0:
            return candidate
        return train_stage(self._cache, link, candidate, context, resume, pace)

    def _initial(self, params: Mapping[str, Any], seed: int) -> Candidate:
        """Returns the network of a pretrain stage before its training."""
        data = self._data
        return first_candidate(
            params, data.shape, data.task.outputs, seed, self._folder, data.task.keep
        )

    # -- elastic networks --------------------------------------------------------------------------

    def elastic_key(self, plan: Plan) -> str:
        """Returns the key of the elastic training that a plan's subnet is cut out of."""
        return self._elastic_link(plan).digest

    def estimates(
        self, plan: Plan, subnets: Sequence[Mapping[str, Any]], images: int
    ) -> list[SubnetEstimate]:
        """Returns how good subnets are before any training of their own.

        Args:
            plan: A plan whose elastic training is in the cache.
            subnets: Width, depth and resolution of each subnet.
            images: Number of training examples.

        Raises:
            StageError: The elastic network cannot be built.
            InfeasibleCandidate: A subnet does not exist.
        """
        link = self._elastic_link(plan)
        kinds = [stage.kind for stage in plan.stages]
        trained = self.candidate(Plan(plan.stages[: kinds.index(ELASTIC) + 1]), Watch())
        context = self._context(link, lambda event: None, Watch())
        with host_lock.working():
            return estimated(trained, subnets, context, images)

    def elastic_networks(self, plan: Plan) -> ElasticNetworks | None:
        """Returns the network of a plan before and after its elastic training; trains nothing.

        Returns:
            None if the cache has dropped one of them.
        """
        link = self._elastic_link(plan)
        cut = [stage.kind for stage in plan.stages].index(ELASTIC)
        plans = [Plan(plan.stages[:cut]), Plan(plan.stages[: cut + 1])]
        if not all(map(self.trained, plans)):
            return None
        source, trained = (self.candidate(each, Watch()) for each in plans)
        context = self._context(link, lambda event: None, Watch())
        seconds = (self._cache.stage_seconds(link.digest) or {}).get(ELASTIC)
        return ElasticNetworks(source, trained, context, seconds)

    def _elastic_link(self, plan: Plan) -> Link:
        return next(link for link in self._links(plan) if link.stage.kind == ELASTIC)

    # -- interrupted trainings ----------------------------------------------------

    def ended_early(self, plan: Plan, kind: str, candidate: Candidate) -> Candidate:
        """Returns the plan's candidate as if the training of this kind ended here.

        Later stages are applied and not kept; a training stage needs a stand-in.

        Raises:
            InfeasibleCandidate: A stage refuses the candidate.
        """
        links = self._links(plan)
        index = [link.stage.kind for link in links].index(kind)
        for link in links[index + 1 :]:
            stage = link.stage.stand_in
            assert stage is not None, "a plan without stand-ins is not interrupted"
            instead = replace(link, stage=stage)
            context = self._context(instead, lambda event: None, Watch())
            # Values memoized under the stage's key belong to the trained network.
            context = replace(context, memo=lambda name, make: make())
            candidate = self._stage(instead, candidate, context)
        return candidate

    def forget(self, plan: Plan, kind: str) -> None:
        """Drops the snapshots of a plan's interrupted training."""
        for link in self._links(plan):
            if link.stage.kind != kind:
                continue
            drop_progress(self._cache, link)
            if link.endless is None:  # an endless one serves longer trainings
                self._cache.forget(link.digest)

    def _links(self, plan: Plan) -> list[Link]:
        """Returns the stages that make the candidate, with their keys."""
        return self._chain.links(plan, rounding_runtime(plan))


def _single(teacher: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    """Yields the networks of a teacher, also those of an average; nothing for the baseline."""
    if teacher and "average" in teacher:
        for member in teacher["average"]:
            yield from _single(member)
    elif teacher:
        yield teacher


def _learns(stage: Stage) -> bool:
    """Returns whether a stage trains; a network that is only built does not."""
    if stage.kind == "pretrain":
        recipe = stage.params["recipe"]
        return recipe is not None and recipe["epochs"] > 0
    return stage.trains


def resolve_device(device: str) -> str:
    """Returns the device for "auto" on this machine; any other name is returned as it is.

    Raises:
        UserError: The device is not available.
    """
    mps = torch.backends.mps.is_available()
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if mps else "cpu"
    if (device == "cuda" and not torch.cuda.is_available()) or (device == "mps" and not mps):
        raise UserError(f"device: {device} is not available here; type device: auto, or cpu")
    return device


def _option(table: Table, value: Mapping[str, Any]) -> Option:
    return Slot(table).option(value)
