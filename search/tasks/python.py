"""The user's own task: any object with the members `model`, `batches`, `loss` and `score`."""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from paretune.inputs import call
from paretune.nests import Nest
from paretune.raised import raised_text
from paretune.search.errors import UserError
from paretune.search.tasks.target_facts import TargetKind
from paretune.search.user_code import (
    code_digest,
    dotted_paths,
    live_digest,
    resolve,
    study_folder,
)
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.params import Params
from paretune.task import Metric, Outputs, Part, Per, Predict, Scored

if TYPE_CHECKING:
    import torch

NETWORK = "paretune.search.tasks.python:network"
"""Dotted path of the factory of a task's network, for the architecture `python`."""

ADAPTERS = ("lightning", "transformers", "ultralytics")
"""Tasks whose entry makes the user's object from options (`factory`), and names one (`shown`)."""

MEMBERS = {
    "model": "def model(self): return a torch.nn.Module",
    "batches": 'def batches(self, part): return a DataLoader for "train", "validation" or "test"',
    "loss": "def loss(self, outputs, targets): return a scalar tensor",
    "score": 'def score(self, predict, part): return {"name": value}',
}
"""Members that every task has, and what to write."""


class UserTask:
    """The user's object as a task.

    Args:
        object: The user's object.
        factory: Dotted path that made it.
        args: Keyword arguments of the factory.
    """

    metrics: ClassVar[Mapping[str, Metric]] = {}

    def __init__(self, object: Any, factory: str, args: Mapping[str, Any]) -> None:
        self.object = object
        self._factory, self._args = factory, args

    @property
    def name(self) -> str:
        """The dotted path, or what an adapter is of: `lightning m:Net`."""
        return task_text(self._factory, self._args)

    @property
    def outputs(self) -> Outputs:
        """Anything: the user's loss and score know what the outputs mean."""
        return Outputs(0, "any")

    @property
    def targets(self) -> TargetKind | None:
        """None: only the user's loss knows what the targets are."""
        return None

    @property
    def ignore(self) -> int | None:
        """None: the user's loss leaves out what it likes."""
        return None

    @property
    def keep(self) -> tuple[str, ...]:
        """Patterns of layers that no pruning or quantization changes."""
        patterns = getattr(self.object, "keep", ())
        return (patterns,) if isinstance(patterns, str) else tuple(map(str, patterns))

    @property
    def dynamic(self) -> Mapping[Any, Any]:
        """Axes of an example whose sizes vary: {1: "height"}, or {"tokens": {0: "length"}}."""
        return getattr(self.object, "dynamic", {})

    @cached_property
    def class_scores(self) -> bool:
        """Whether the outputs are logits of classes.

        The task may say it. Otherwise they are, if they have one axis more than integer targets:
        [B, C] for [B], or [B, C, H, W] for [B, H, W].
        """
        if hasattr(self.object, "class_scores"):
            return bool(self.object.class_scores)
        import torch

        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            inputs, targets = next(iter(self.object.batches("validation")))
            outputs = call(self.object.model().eval(), inputs)
        if not isinstance(outputs, torch.Tensor) or not isinstance(targets, torch.Tensor):
            return False
        rest = (outputs.shape[0], *outputs.shape[2:])
        return not targets.is_floating_point() and tuple(targets.shape) == rest

    def identity(self) -> Mapping[str, Any]:
        """Returns the path, its arguments and the version that the task declares."""
        version = getattr(self.object, "version", 1)
        return {"task": self._factory, "args": dict(self._args), "version": version}

    def code(self) -> Mapping[str, str]:
        """Returns the digests of the modules that the task names."""
        digests = {path: code_digest(path) for path in dotted_paths([self._factory, self._args])}
        return {path: value for path, value in digests.items() if value is not None}

    @property
    def train(self) -> Callable[..., Any] | None:
        """The user's own training loop; None if there is none."""
        return getattr(self.object, "train", None)

    def loss(self, outputs: Nest, targets: Nest) -> torch.Tensor:
        """Returns what the user's loss returns; the training checks it."""
        result: torch.Tensor = self.object.loss(outputs, targets)
        return result

    def distill(self, student: Nest, teacher: Nest, targets: Nest) -> torch.Tensor | None:
        """Returns the user's loss against a teacher; None if there is none."""
        distill = getattr(self.object, "distill", None)
        return None if distill is None else distill(student, teacher, targets)

    def correct(self, outputs: Nest, targets: Nest) -> torch.Tensor | None:
        """Returns None: what is correct is not known."""
        return None

    def score(self, predict: Predict, part: Part) -> Mapping[str, Scored]:
        """Returns the user's scores.

        Raises:
            Unmeasurable: The user's code raised an error, or returned something invalid.
        """
        from paretune.objectives.score_values import scores_of_user

        return scores_of_user(self.object.score, predict, part)


class PythonTaskEntry:
    """Your own task, an object with model, batches, loss and score: "pkg.mod:Plates"."""

    primary = "factory"
    provides_data = True
    targets: ClassVar[TargetKind] = "values"
    per: ClassVar[Per] = "any"
    metrics: ClassVar[Mapping[str, Metric]] = {}

    class Params(Params):
        """Options of python."""

        factory: str = Field(
            pattern=r"^[\w.]+:[\w.]+$",
            description='path of a class or function that returns the task: "pkg.mod:Plates"',
        )
        args: dict[str, Any] = Field({}, description="keyword arguments for the factory")


def user_task(factory: str, args: Mapping[str, Any]) -> UserTask:
    """Returns the task of a factory; the factory is called once for each process.

    Raises:
        UserError: The factory cannot be imported, raises, or returns an object without a member.
    """
    values = json.dumps(args, sort_keys=True)
    return _task(factory, values, study_folder(), live_digest(factory))


def network(factory: str, args: Mapping[str, Any]) -> torch.nn.Module:
    """Returns a fresh network of a task; the architecture `python` calls it.

    Raises:
        InfeasibleCandidate: The task or its `model` raised an error, or returned no module.
    """
    from torch import nn

    try:
        model = user_task(factory, args).object.model()
    except UserError as error:
        raise InfeasibleCandidate(str(error)) from error
    except Exception as error:
        raise InfeasibleCandidate(f"task {factory}: model raised {raised_text(error)}") from error
    if not isinstance(model, nn.Module):
        raise InfeasibleCandidate(
            f"task {factory}: model returned a {type(model).__name__}, not a torch.nn.Module"
        )
    return copy.deepcopy(model)  # `model` may return one network each time; trials change theirs


def task_text(factory: str, args: Mapping[str, Any]) -> str:
    """Returns what a task is of, in a few words: `plates:Plates`, `lightning m:Net`."""
    from paretune.search.tasks import TASKS

    for name in ADAPTERS:
        if factory == TASKS.get(name).factory:
            return f"{name} {args[TASKS.get(name).shown]}"
    return factory


def factory_of(name: str, params: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Returns the factory and the arguments of a task that brings its own data.

    Args:
        name: Name in the table of tasks.
        params: Its options as JSON.
    """
    from paretune.search.tasks import TASKS

    if name == "python":
        return params["factory"], params["args"]
    return TASKS.get(name).factory, params


@lru_cache(maxsize=8)
def _task(factory: str, args: str, folder: Path, version: str | None) -> UserTask:
    """Returns the task.

    Args:
        factory: Dotted path.
        args: Keyword arguments, in JSON.
        folder: The study's folder, in which files that the task names are found.
        version: Digest of a factory of this process, which may be defined again; else None.
    """
    name = f"task: {factory}"
    try:
        make = resolve(factory)
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"{name}: {error}; is it installed, or in the folder of the study file?"
        ) from error
    except Exception as error:  # importing runs the user's module
        raise UserError(f"{name}: importing it: {raised_text(error)}") from error
    values = json.loads(args)
    try:
        made = make(**values) if callable(make) else make
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{name} raised {raised_text(error)}") from error
    _check_members(name, made)
    return UserTask(made, factory, values)


def _check_members(name: str, made: Any) -> None:
    """Refuses an object that lacks a member, or has one that cannot be called as the engine does.

    Raises:
        UserError: The text says what to write.
    """
    for member, signature in MEMBERS.items():
        value = getattr(made, member, None)
        if not callable(value):
            state = "has no member" if value is None else f"has a {type(value).__name__} as"
            raise UserError(f"{name}: {type(made).__name__} {state} `{member}`; write {signature}")
        _check_arguments(name, member, value, signature)
    keep = getattr(made, "keep", ())
    if not isinstance(keep, str | Sequence):
        raise UserError(f'{name}: keep is {keep!r}; give names of layers: keep = ["head*"]')


def _check_arguments(name: str, member: str, value: Callable[..., Any], signature: str) -> None:
    """Refuses a member that does not take the engine's arguments."""
    counts = {"model": 0, "batches": 1, "loss": 2, "score": 2}
    try:
        inspect.signature(value).bind(*[None] * counts[member])
    except TypeError as error:
        raise UserError(f"{name}: {member}: {error}; write {signature}") from error
    except ValueError:  # a builtin without a signature
        return
