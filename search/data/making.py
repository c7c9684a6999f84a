"""Makes a data set: reads the source for the task, then splits it and normalizes it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.search.data.raw_data import RawData
from paretune.search.data.targets import FORMS, TASK_OF, TargetsWanted
from paretune.search.errors import UserError
from paretune.search.tasks import TASKS, TaskChoice
from paretune.search.tasks.target_facts import TargetFacts, TargetKind
from paretune.task import Task

if TYPE_CHECKING:
    from paretune.search.data.dataset import Dataset


class Loading:
    """One data set to load, for one task.

    Args:
        name: Key of DATASETS.
        params: Options of the data set, as JSON.
        base: Folder of the study file.
        seed: Seed of the split.
        seen: Whether the study starts from weights that may have seen the training part.
        choice: The task and its options.
    """

    def __init__(
        self,
        name: str,
        params: Mapping[str, Any],
        base: Path,
        seed: int,
        seen: bool,
        choice: TaskChoice,
    ) -> None:
        from paretune.search.data import DATASETS

        self.name, self.base, self.seed, self.seen = name, base, seed, seen
        self._choice = choice
        self._entry = DATASETS.get(name)
        self.options = self._entry.Params.model_validate(dict(params))
        self._task_entry = TASKS.get(choice.name)
        self._task_options = self._task_entry.Params.model_validate(dict(choice.params))

    @cached_property
    def wanted(self) -> TargetsWanted:
        """The targets that the task needs."""
        ignore = getattr(self._task_options, "ignore", None)
        return TargetsWanted(self._task_entry.targets, ignore)

    def task(self, facts: TargetFacts) -> Task:
        """Returns the task for these targets.

        Raises:
            UserError: The options of the task do not fit them.
        """
        made: Task = self._task_entry.make(self._task_options, facts)
        return made

    def dataset(self) -> Dataset:
        """Reads the source and returns its three parts.

        Raises:
            UserError: The data is missing, damaged, or does not fit the task.
        """
        self._refuse_other_targets()
        # Data sets of other packages read classes and need not know of tasks.
        raw = (
            self._entry.load(self.options, self.base, self.wanted)
            if hasattr(self._entry, "reads")
            else self._entry.load(self.options, self.base)
        )
        return self._made(raw)

    def _made(self, raw: Any) -> Dataset:
        if not isinstance(raw, RawData):
            made: Dataset = raw.dataset(self)
            return made
        if getattr(self._entry, "holds", "images") == "text":
            return self._text(raw)
        if raw.tensors:
            from paretune.search.data.tensor_dataset import make_tensor_dataset

            return make_tensor_dataset(
                raw, self.options, self.seed, self.seen, self.task(raw.facts)
            )
        from paretune.search.data.image_dataset import make_image_dataset

        return make_image_dataset(raw, self.options, self.seed, self.seen, self.task(raw.facts))

    def _text(self, raw: RawData) -> Dataset:
        if self.wanted.kind == "next":
            from paretune.search.data.language_dataset import make_language_dataset

            return make_language_dataset(raw, self.options, self.base, self)
        from paretune.search.data.text_dataset import make_text_dataset

        return make_text_dataset(
            raw, self.options, self.base, self.seed, self.seen, self.task(raw.facts)
        )

    def _refuse_other_targets(self) -> None:
        """Refuses a data set that does not have the targets of the task.

        Raises:
            UserError: The text names tasks that fit, or data sets that fit.
        """
        from paretune.search.data import DATASETS

        reads = _reads(self._entry)
        if self.wanted.kind in reads:
            return
        fit = [name for name in DATASETS.names if self.wanted.kind in _reads(DATASETS.get(name))]
        tasks = " or ".join(TASK_OF[kind] for kind in reads)
        raise UserError(
            f"data: {self.name} is for task {tasks}; task {self._choice.name} needs "
            f"{FORMS[self.wanted.kind]}. Data sets for it: {', '.join(fit)}"
        )


def _reads(entry: Any) -> tuple[TargetKind, ...]:
    reads: tuple[TargetKind, ...] = getattr(entry, "reads", ("class",))
    return reads
