"""Results of the checks of an export, one by one and together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Level = Literal["ok", "warning", "failed"]

SIGNS = {"ok": "ok", "warning": "warn", "failed": "FAIL"}


@dataclass(frozen=True)
class CheckResult:
    """The result of one check of one file.

    Attributes:
        file: File of the export.
        check: Name of the check: "sha256", "outputs", "accuracy", ...
        level: "warning" if a difference may have another cause than the file.
        text: Result of the check, with its numbers.
        numbers: The numbers as JSON.
    """

    file: str
    check: str
    level: Level
    text: str
    numbers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the check passed, perhaps with a warning."""
        return self.level != "failed"

    def to_json(self) -> dict[str, Any]:
        """Returns all fields, and `ok`."""
        return {**asdict(self), "ok": self.ok}

    def line(self) -> str:
        """Returns the result as one line of text."""
        return f"{SIGNS[self.level]:<4} {self.file}: {self.check}: {self.text}"


@dataclass(frozen=True)
class Verification:
    """The results of all checks of an export."""

    results: tuple[CheckResult, ...]

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return all(result.ok for result in self.results)

    def to_json(self) -> dict[str, Any]:
        """Returns {"ok", "results"}."""
        return {"ok": self.ok, "results": [result.to_json() for result in self.results]}

    def summary(self) -> str:
        """Returns the outcome in a few words."""
        failed = sum(not result.ok for result in self.results)
        if failed:
            return f"{failed} check{'s' * (failed > 1)} failed"
        warnings = sum(result.level == "warning" for result in self.results)
        count = len(self.results)
        passed = f"all {count} checks passed" if count > 1 else "the check passed"
        return f"{passed}, with {warnings} warning{'s' * (warnings > 1)}" if warnings else passed

    def text(self) -> str:
        """Returns one line per check, then the summary."""
        return "\n".join([*(result.line() for result in self.results), self.summary()])
