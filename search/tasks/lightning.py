"""The task of a LightningModule and its data module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from paretune.search.tasks.target_facts import TargetKind
from paretune.spaces.params import Params
from paretune.task import Metric, Per

if TYPE_CHECKING:
    from paretune.search.tasks.lightning_task.task import LightningTask

DOTTED = r"^[\w.]+:[\w.]+$"


class LightningEntry:
    """A LightningModule and its data module; metrics are the names that validation_step logs."""

    provides_data = True
    factory = "paretune.search.tasks.lightning:lightning_task"
    shown = "module"
    targets: ClassVar[TargetKind] = "values"
    per: ClassVar[Per] = "any"
    metrics: ClassVar[Mapping[str, Metric]] = {}

    class Params(Params):
        """Options of lightning."""

        module: str = Field(pattern=DOTTED, description='class of the module: "pkg.mod:Net"')
        data: str | None = Field(
            None,
            pattern=DOTTED,
            description="class of the data module; default: the module has the dataloaders",
        )
        module_args: dict[str, Any] = Field({}, description="keyword arguments of the module")
        data_args: dict[str, Any] = Field({}, description="keyword arguments of the data module")
        network: str | None = Field(
            None,
            description="attribute of the module that is the network, if the steps call it instead "
            "of the module: net",
        )
        checkpoint: str | None = Field(
            None, description="a .ckpt file of Lightning: its weights, read without unpickling code"
        )
        keep: list[str] = Field(
            [],
            description="names of layers, with * for any text, that no pruning or quantization "
            "changes",
        )


def lightning_task(**options: Any) -> LightningTask:
    """Returns the task of a module and a data module.

    Args:
        options: The options of `LightningEntry.Params`.

    Raises:
        UserError: Lightning is not installed, or the module or its data cannot be used.
    """
    from paretune.search.tasks.lightning_task.task import LightningTask

    return LightningTask(LightningEntry.Params.model_validate(options))
