"""The task of a LightningModule and its data module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from paretune.search.tasks.lightning_task.options import LightningParams
from paretune.search.tasks.target_facts import TargetKind
from paretune.task import Metric, Per

if TYPE_CHECKING:
    from paretune.search.tasks.lightning_task.task import LightningTask


class LightningEntry:
    """A LightningModule and its data module; metrics are the names that validation_step logs."""

    Params = LightningParams
    provides_data = True
    factory = "paretune.search.tasks.lightning:lightning_task"
    shown = "module"
    targets: ClassVar[TargetKind] = "values"
    per: ClassVar[Per] = "any"
    metrics: ClassVar[Mapping[str, Metric]] = {}


def lightning_task(**options: Any) -> LightningTask:
    """Returns the task of a module and a data module.

    Args:
        options: The options of `LightningParams`.

    Raises:
        UserError: Lightning is not installed, or the module or its data cannot be used.
    """
    from paretune.search.tasks.lightning_task.task import LightningTask

    return LightningTask(LightningParams.model_validate(options))
