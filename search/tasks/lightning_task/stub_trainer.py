"""What a module may ask of its trainer while Paretune trains or scores the network."""

from __future__ import annotations

from typing import Any

from paretune.search.tasks.lightning_task.errors import LightningError, NoTrainer

EPOCH = ("current_epoch", "global_step")
"""Counters that a training loss must not depend on: the stages have epochs of their own."""


class StubTrainer:
    """Stands for the Trainer of one process without loggers, devices and callbacks.

    Args:
        datamodule: The data module, or None.
        logger: A logger that ignores all.
    """

    world_size = num_devices = num_nodes = 1
    global_rank = local_rank = node_rank = 0
    is_global_zero = True
    sanity_checking = barebones = fast_dev_run = predicting = False
    precision = "32-true"
    callbacks: tuple[Any, ...] = ()
    log_every_n_steps = 1

    def __init__(self, datamodule: Any, logger: Any) -> None:
        self.datamodule = datamodule
        self.logger = logger
        self.loggers = [logger]
        self.callback_metrics: dict[str, Any] = {}
        self.training = True

    @property
    def validating(self) -> bool:
        """Whether a step of validation runs."""
        return not self.training

    testing = False

    def __getattr__(self, name: str) -> Any:
        """Returns 0 for counters in validation, and refuses everything else.

        Raises:
            LightningError: Only a real Trainer has it.
        """
        if name.startswith("__"):
            raise AttributeError(name)
        if name in EPOCH and not self.training:
            return 0
        where = "training_step" if self.training else "validation_step"
        # Properties of the module read the counters; an AttributeError there would lose its text.
        kind = LightningError if name in EPOCH else NoTrainer
        raise kind(
            f"{where} reads trainer.{name}, and no Trainer runs: Paretune trains the network in "
            "stages of its own. Take it out of the step, or write the task in Python"
        )
