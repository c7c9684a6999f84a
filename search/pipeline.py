"""Pipeline: a Plan -> a Candidate -> an Artifact, with training stages taken from the cache.

Nothing here knows an optimizer: a plan typed by hand goes the same way.
"""

from __future__ import annotations

import errno
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import ValidationError

from objectives.base import Unmeasurable
from objectives.runtimes.base import Artifact
from search.cache import StageCache, StageKey
from search.errors import UserError
from search.files import sha256_of
from search.plan import Plan, Stage
from search.plugins import RUNTIMES
from spaces.architecture import ARCHITECTURES
from spaces.architecture.checkpoint import load_weights
from spaces.base import Candidate, Context, EpochEnd, InfeasibleCandidate
from spaces.distillation import DISTILLATIONS
from spaces.pruning import PRUNINGS
from spaces.quantization import QUANTIZATIONS
from spaces.rebuild import rebuild, start
from spaces.table import Option, Slot, Table
from spaces.training.loop import train
from spaces.training.recipe import Recipe

if TYPE_CHECKING:
    from search.data.dataset import Dataset

TRAINING_VERSION = 1
"""Raised when the training loop gives other weights for the same recipe and seed."""

CALIBRATION_BATCH = 32


INFEASIBLE = (InfeasibleCandidate, Unmeasurable, ValidationError, torch.OutOfMemoryError)
"""What says that a candidate cannot be: a ValidationError is a combination of parameters that its
Params refuse, and memory that does not suffice would not suffice the next time."""


class StageError(Exception):
    """A stage could not be done.

    Attributes:
        stage: Its kind.
        infeasible: The candidate cannot be (rather than an error).
        type: Name of the exception's type.
        text: What it says.
        details: The traceback.
    """

    def __init__(self, stage: str, error: BaseException, infeasible: bool) -> None:
        super().__init__(f"{stage}: {error}")
        self.stage = stage
        self.infeasible = infeasible
        self.type = type(error).__name__
        self.text = str(error) or self.type
        self.details = "".join(traceback.format_exception(error))

    def to_json(self) -> dict[str, str]:
        """{"stage", "type", "text"} and, for an error, the traceback."""
        reason = {"stage": self.stage, "type": self.type, "text": self.text}
        return reason if self.infeasible else {**reason, "traceback": self.details}


@dataclass
class Watch:
    """Who listens to a plan being built, and what it has cost so far.

    Attributes:
        started: Called with a stage's kind when it begins.
        epoch: Called after each epoch.
        done: Called with (kind, seconds, cached).
        seconds: Kind -> seconds of this build; 0 for a cached stage.
        cached: Kinds that were taken from the cache.
    """

    started: Callable[[str], None] = lambda kind: None
    epoch: Callable[[EpochEnd], None] = lambda event: None
    done: Callable[[str, float, bool], None] = lambda kind, seconds, cached: None
    seconds: dict[str, float] = field(default_factory=dict)
    cached: list[str] = field(default_factory=list)

    @contextmanager
    def stage(self, kind: str) -> Iterator[None]:
        """Times a stage, and says of an exception in which stage it was.

        Raises:
            StageError: The body failed, or the candidate is infeasible.
            UserError: The disk is full; KeyboardInterrupt and the like pass as they are.
        """
        begun = time.perf_counter()
        self.started(kind)
        try:
            yield
        except INFEASIBLE as error:
            raise StageError(kind, error, infeasible=True) from error
        except UserError:
            raise
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS):
                raise UserError(
                    f"{error.filename or 'the study folder'}: {error.strerror}; make room and "
                    "type the same command again: the study goes on where it stopped"
                ) from error
            raise StageError(kind, error, infeasible=False) from error
        except Exception as error:
            raise StageError(kind, error, infeasible=False) from error
        finally:
            self.seconds[kind] = self.seconds.get(kind, 0.0) + time.perf_counter() - begun
        if kind in self.cached:
            self.seconds[kind] = 0.0
        self.done(kind, self.seconds[kind], kind in self.cached)


@dataclass(frozen=True)
class Link:
    """A stage with its key in the chain of stages before it."""

    stage: Stage
    key: StageKey
    digest: str
    parent: str | None


class Pipeline:
    """Builds plans on one data set.

    Args:
        data: Train and validation parts.
        cache: Where training stages are kept.
        baseline: The baseline's plan, whose model is the teacher of distillation.
        seed: The study's.
        device: "cpu", "cuda", "mps" or "auto".
        save_curve: Called with (stage key, learning curve) after a training stage.
    """

    def __init__(
        self,
        data: Dataset,
        cache: StageCache,
        baseline: Plan,
        seed: int,
        device: str = "auto",
        save_curve: Callable[[str, list[dict[str, Any]]], None] = lambda key, curve: None,
    ) -> None:
        self._data = data
        self._cache = cache
        self._baseline = baseline
        self._seed = seed
        self._device = resolve_device(device)
        self._save_curve = save_curve
        self._teacher: torch.nn.Module | None = None

    def candidate(self, plan: Plan, watch: Watch) -> Candidate:
        """The trained candidate of a plan, marked for quantization but not deployed.

        Raises:
            StageError: A stage failed or found the candidate infeasible.
        """
        links = self._links(plan)
        first = max((i for i, link in enumerate(links) if self._kept(link)), default=-1)
        candidate = None
        if first >= 0:
            candidate = self._cache.load(links[first].digest, rebuild)
        if candidate is None:
            first = -1
        for index, link in enumerate(links):
            kind = link.stage.kind
            if index <= first:
                watch.cached.append(kind)
                with watch.stage(kind):
                    pass
                continue
            with watch.stage(kind):
                candidate = self._made(link, candidate, watch)
        assert candidate is not None
        return self._quantized(plan, candidate)

    def deploy(self, plan: Plan, candidate: Candidate, path: Path, watch: Watch) -> Artifact:
        """Exports a candidate as the plan's runtime wants it.

        Raises:
            StageError: The runtime cannot export or quantize it.
        """
        with watch.stage("deploy"):
            name, _ = deployment(plan)
            return export(candidate, name, path, self._data)

    # -- one stage -------------------------------------------------------------------------------

    def _made(self, link: Link, candidate: Candidate | None, watch: Watch) -> Candidate:
        """A stage's result, made under its lock so that two workers do not make it both."""
        if not _training(link.stage):
            return self._apply(link, candidate, watch)
        with self._cache.lock(link.digest):
            theirs = self._cache.load(link.digest, rebuild)
            if theirs is not None:
                watch.cached.append(link.stage.kind)
                return theirs
            begun = time.perf_counter()
            made = self._apply(link, candidate, watch)
            seconds = time.perf_counter() - begun
            self._cache.save(link.digest, link.stage.kind, link.parent, made, seconds)
            return made

    def _apply(self, link: Link, candidate: Candidate | None, watch: Watch) -> Candidate:
        params = link.stage.params
        curve: list[dict[str, Any]] = []

        def report(event: EpochEnd) -> None:
            point = {"epoch": event.epoch, "loss": event.loss, "accuracy": event.accuracy}
            curve.append({**point, "seconds": event.seconds})
            watch.epoch(event)

        context = Context(
            data=self._data,
            device=self._device,
            seed=int(link.digest[:8], 16),
            report=report,
        )
        match link.stage.kind:
            case "pretrain":
                made = self._pretrained(params, context)
            case "prune":
                assert candidate is not None
                option = _option(PRUNINGS, params["pruning"])
                made = PRUNINGS.get(option.name).apply(candidate, option.params, context)
            case "finetune":
                assert candidate is not None
                distillation = params["distillation"]
                taught = replace(context, teacher=self.teacher()) if distillation else context
                made = train(
                    candidate,
                    Recipe.model_validate(params["recipe"]),
                    taught,
                    stage="finetune",
                    distillation=_option(DISTILLATIONS, distillation) if distillation else None,
                )
            case other:
                raise AssertionError(f"no such stage: {other}")
        if curve:
            self._save_curve(link.digest, curve)
        return made

    def _pretrained(self, params: Mapping[str, Any], context: Context) -> Candidate:
        candidate = start(params["architecture"], self._data.shape, self._data.classes, self._seed)
        if params["checkpoint"]:
            try:
                load_weights(candidate.model, params["checkpoint"])
            except ValueError as error:
                raise UserError(str(error)) from error
        candidate.model.eval()
        if params["recipe"] is None or params["recipe"]["epochs"] == 0:
            return candidate
        recipe = Recipe.model_validate(params["recipe"])
        return train(candidate, recipe, context, stage="pretrain")

    def _quantized(self, plan: Plan, candidate: Candidate) -> Candidate:
        stage = plan.stage("quantize")
        if stage is None:
            return candidate
        option = _option(QUANTIZATIONS, stage.params["quantization"])
        return QUANTIZATIONS.get(option.name).apply(  # type: ignore[no-any-return]
            candidate, option.params, Context(self._data)
        )

    def teacher(self) -> torch.nn.Module:
        """The baseline's model in evaluation mode; built once."""
        if self._teacher is None:
            self._teacher = self.candidate(self._baseline, Watch()).model.eval()
        return self._teacher

    # -- keys ------------------------------------------------------------------------------------

    def _links(self, plan: Plan) -> list[Link]:
        """The stages that change weights, each with its key."""
        links: list[Link] = []
        parent: str | None = None
        for stage in plan.stages:
            if stage.kind in ("quantize", "deploy"):
                continue
            key = StageKey(
                stage.kind,
                self._ingredients(stage),
                _versions(stage),
                parent,
                self._data.fingerprint,
                self._seed,
            )
            links.append(Link(stage, key, key.digest(), parent))
            parent = links[-1].digest
        return links

    def _ingredients(self, stage: Stage) -> Mapping[str, Any]:
        """A stage's parameters, with the content of what they only name."""
        params = dict(stage.params)
        if params.get("checkpoint"):
            params["checkpoint"] = sha256_of(Path(params["checkpoint"]))
        if params.get("distillation"):
            params["teacher"] = self._links(self._baseline)[-1].digest
        return params

    def _kept(self, link: Link) -> bool:
        return _training(link.stage) and self._cache.has(link.digest)


def export(candidate: Candidate, runtime: str, path: Path, data: Dataset) -> Artifact:
    """A candidate as a runtime's file, calibrated on training images where that is asked for.

    Raises:
        Unmeasurable: The runtime cannot export or quantize it.
    """
    quantization = candidate.quantization
    calibration = None
    if quantization and "static" in quantization:
        calibration = data.calibration(quantization["static"]["images"], CALIBRATION_BATCH)
    return RUNTIMES.get(runtime).export(  # type: ignore[no-any-return]
        candidate.model.cpu().eval(), candidate.shape, path, quantization, calibration
    )


def deployment(plan: Plan) -> tuple[str, Any]:
    """The runtime's name and checked options of a plan."""
    stage = plan.stage("deploy")
    assert stage is not None
    option = _option(RUNTIMES, stage.params["runtime"])
    return option.name, option.params


def resolve_device(device: str) -> str:
    """What "auto" means on this machine; another name is itself.

    Raises:
        UserError: The device is not there.
    """
    mps = torch.backends.mps.is_available()
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if mps else "cpu"
    if (device == "cuda" and not torch.cuda.is_available()) or (device == "mps" and not mps):
        raise UserError(f"device: {device} is not available here; type device: auto, or cpu")
    return device


def _training(stage: Stage) -> bool:
    """Whether a stage's result is worth keeping: pruning alone is made again in no time."""
    return stage.kind in ("pretrain", "finetune")


def _option(table: Table, value: Mapping[str, Any]) -> Option:
    return Slot(table).option(value)


def _versions(stage: Stage) -> dict[str, int]:
    versions = {"training": TRAINING_VERSION}
    for field_, table in (("architecture", ARCHITECTURES), ("pruning", PRUNINGS)):
        if field_ in stage.params:
            name, _ = table.pick(stage.params[field_])
            versions[name] = table.get(name).version
    return versions
