"""Small tasks and data that tests of several rooms share."""

from __future__ import annotations

from paretune.search.tasks.classification import classification

__all__ = ["classification"]
