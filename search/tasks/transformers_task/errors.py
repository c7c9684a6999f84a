"""Errors of the task `transformers`."""

from __future__ import annotations

from paretune.search.errors import UserError


class TransformersError(UserError):
    """A model folder, a data set or a function that cannot be used, with the reason."""

    def __init__(self, text: str) -> None:
        super().__init__(f"task: transformers: {text}")
