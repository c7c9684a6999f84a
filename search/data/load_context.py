"""What makes a data set of a source: the options, the split's seed, and the task."""

from __future__ import annotations

from typing import Any, Protocol

from paretune.search.data.targets import TargetsWanted
from paretune.search.tasks.target_facts import TargetFacts
from paretune.task import Task


class LoadContext(Protocol):
    """One data set to load, for one task; `making.Loading` is one."""

    options: Any
    """Options of the data set."""

    seed: int
    """Seed of the split."""

    seen: bool
    """Whether the study starts from weights that may have seen the training part."""

    @property
    def wanted(self) -> TargetsWanted:
        """The targets that the task needs."""

    def task(self, facts: TargetFacts) -> Task:
        """Returns the task for these targets.

        Raises:
            UserError: The options of the task do not fit them.
        """
