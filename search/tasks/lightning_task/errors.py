"""Errors of the task `lightning`."""

from __future__ import annotations

from paretune.search.errors import UserError


class LightningError(UserError):
    """A module or data module that cannot be used, with the reason."""

    def __init__(self, text: str) -> None:
        super().__init__(f"task: lightning: {text}")


class NoTrainer(LightningError, AttributeError):
    """A step reads what only a Trainer has; `hasattr` answers False."""
