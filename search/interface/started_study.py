"""The result of `paretune.init`: a first study file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.search.interface.shown import Shown
from paretune.search.interface.study import Study

if TYPE_CHECKING:
    from paretune.search.starting.init import InitResult


class StartedStudy(Shown):
    """A first study file for a model; as text, its commented YAML.

    Attributes:
        result: What was measured and chosen.
    """

    def __init__(self, result: InitResult) -> None:
        self.result = result

    @property
    def path(self) -> Path:
        """The study file."""
        return self.result.path

    @property
    def study(self) -> Study:
        """The study, ready to run."""
        return Study(self.path)

    def text(self, width: int | None = None) -> str:
        """Returns the study file."""
        return self.result.text

    def to_json(self) -> dict[str, Any]:
        """Returns what `paretune init --json` prints."""
        return self.result.to_json()
