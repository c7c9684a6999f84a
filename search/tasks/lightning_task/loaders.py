"""The dataloaders of a module or data module, set up as a Trainer does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from paretune.search.tasks.lightning_task.errors import LightningError
from paretune.search.tasks.lightning_task.library import overrides

LOADERS = {
    "train": "train_dataloader",
    "validation": "val_dataloader",
    "test": "test_dataloader",
}

STAGES = {"train": "fit", "validation": "fit", "test": "test"}
"""Part -> the stage that a Trainer sets up for its dataloader."""


class Loaders:
    """Gives the batches of each part.

    Args:
        datamodule: The data module; None if the module has the dataloaders.
    """

    def __init__(self, datamodule: Any) -> None:
        self._data = datamodule
        self._owners = [] if datamodule is None else [datamodule]
        self._ready: set[str] = set()
        self._loaders: dict[str, Any] = {}

    def attach(self, module: Any) -> None:
        """Adds the module, whose hooks and dataloaders count where the data module has none.

        Raises:
            LightningError: There are no training or no validation batches.
        """
        self._owners.append(module)
        without = self._data is None
        self._data = module if without else self._data
        missing = [part for part in ("train", "validation") if part not in self.parts]
        if missing:
            raise LightningError(
                f"{type(self._data).__name__} has no {LOADERS[missing[0]]}"
                + ("; name a data module: data: m:Data" if without else "")
            )

    def set_up(self, stage: str, trainer: Any) -> None:
        """Calls prepare_data of the data module once, and setup once for each stage."""
        for owner in self._owners:
            owner.trainer = trainer
            if stage not in self._ready:
                if not self._ready:
                    owner.prepare_data()
                owner.setup(stage)
        self._ready.add(stage)

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that have a dataloader."""
        return tuple(part for part, name in LOADERS.items() if overrides(self._data, name))

    def batches(self, part: str) -> Iterator[Any]:
        """Yields the batches of a part after the transfer hooks, on the CPU.

        Raises:
            LightningError: There is no such part, or its dataloader gives something else.
        """
        for batch in self._loader(part):
            for hook in ("on_before_batch_transfer", "on_after_batch_transfer"):
                owner = next((each for each in self._owners if overrides(each, hook)), None)
                if owner is not None:
                    batch = getattr(owner, hook)(batch, 0)
            yield batch

    def _loader(self, part: str) -> Any:
        if part not in self.parts:
            raise LightningError(f"{type(self._data).__name__} has no {LOADERS[part]}")
        if part not in self._loaders:
            self.set_up(STAGES[part], self._owners[-1].trainer)
            loader = getattr(self._data, LOADERS[part])()
            if isinstance(loader, list | tuple) and len(loader) == 1:
                [loader] = loader
            if isinstance(loader, list | tuple | dict) or not hasattr(loader, "__iter__"):
                raise LightningError(
                    f"{LOADERS[part]} returned a {type(loader).__name__}; return one DataLoader"
                )
            self._loaders[part] = loader
        return self._loaders[part]
