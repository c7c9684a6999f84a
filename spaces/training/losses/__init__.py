"""Losses: what a training minimizes, in place of the task's own loss."""

from __future__ import annotations

from typing import Any

from paretune.spaces.table import Table

PYTHON = "python"
"""The entry for a function or module class of the user's."""


class LossTable(Table):
    """The table of losses, which also takes a function or a class without Params by its path."""

    def parse(self, value: Any) -> tuple[str, dict[str, Any]]:
        """Returns name and parameters; `"pkg.mod:Focal"` is `{python: {path: "pkg.mod:Focal"}}`.

        `{"pkg.mod:Focal": {gamma: 3}}` passes arguments to the class.

        Raises:
            ValueError: As for `Table.parse`.
        """
        name, params = super().parse(value)
        if ":" in name and not hasattr(self.get(name), "Params"):
            return PYTHON, {"path": name, "args": params}
        return name, params


LOSSES = LossTable(
    "loss",
    {
        "cross_entropy": "paretune.spaces.training.losses.cross_entropy:CrossEntropy",
        "focal": "paretune.spaces.training.losses.focal:Focal",
        "bce": "paretune.spaces.training.losses.bce:Bce",
        "mse": "paretune.spaces.training.losses.mse:Mse",
        "l1": "paretune.spaces.training.losses.l1:L1",
        "huber": "paretune.spaces.training.losses.huber:Huber",
        "dice": "paretune.spaces.training.losses.dice:Dice",
        "jaccard": "paretune.spaces.training.losses.jaccard:Jaccard",
        "python": "paretune.spaces.training.losses.python:PythonLoss",
    },
)
