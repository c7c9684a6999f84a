"""The base class of built-in tasks, with the answers that most of them share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pydantic import Field

from paretune.nests import Nest
from paretune.search.tasks.target_facts import TargetFacts, TargetKind
from paretune.spaces.params import Params
from paretune.task import Metric, Outputs, Part, Per, Predict, Scored, Task

if TYPE_CHECKING:
    import torch


class TaskParams(Params):
    """Options of every built-in task."""

    keep: list[str] = Field(
        [],
        description="names of layers, with * for any text, that no pruning or quantization changes",
    )


class TaskEntry(Protocol):
    """An entry of the table of tasks. The class docstring's first line is its description.

    An entry with `provides_data = True` makes tasks that bring their own data; it has
    `create(params, folder)`, which returns the user's object, instead of `make`.
    """

    Params: ClassVar[type[Params]]
    targets: ClassVar[TargetKind]
    """What the data must give as targets."""
    per: ClassVar[Per]
    """What has one vector of a network's outputs."""
    metrics: ClassVar[Mapping[str, Metric]]

    @staticmethod
    def make(params: Any, facts: TargetFacts) -> Task:
        """Returns the task for data with these targets.

        Raises:
            UserError: The options do not fit the targets.
        """


class BuiltInTask:
    """A task of the table, for one data set.

    Args:
        params: Its options.
        facts: The targets of the data.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    metrics: ClassVar[Mapping[str, Metric]] = {}
    class_scores: ClassVar[bool] = False

    def __init__(self, params: Any, facts: TargetFacts) -> None:
        self.params = params
        self.facts = facts

    @property
    def outputs(self) -> Outputs:
        """One value for each class, label or target value of an example."""
        return Outputs(self.facts.size)

    @property
    def keep(self) -> tuple[str, ...]:
        """Patterns of layers that no pruning or quantization changes."""
        return tuple(self.params.keep)

    @property
    def targets(self) -> TargetKind:
        """What the targets are."""
        return self.facts.kind

    @property
    def ignore(self) -> int | None:
        """The class in targets that does not count; None if all count."""
        ignored: int | None = getattr(self.params, "ignore", None)
        return ignored

    def identity(self) -> Mapping[str, Any]:
        """Returns JSON that becomes part of every stage's key."""
        return {"task": self.name, "version": self.version, **self.params.model_dump()}

    def code(self) -> Mapping[str, str]:
        """Returns nothing: no file of the user's is involved."""
        return {}

    def loss(self, outputs: Nest, targets: Nest) -> torch.Tensor:
        """Returns the mean loss of a batch, a scalar."""
        raise NotImplementedError

    def distill(self, student: Nest, teacher: Nest, targets: Nest) -> torch.Tensor | None:
        """Returns None: the default loss against a teacher is used."""
        return None

    def correct(self, outputs: Nest, targets: Nest) -> torch.Tensor | None:
        """Returns None: there is no number of correct examples."""
        return None

    def score(self, predict: Predict, part: Part) -> Mapping[str, Scored]:
        """Returns each score of the deployed file on a part of the data."""
        raise NotImplementedError
