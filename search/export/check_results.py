"""What a check found, and all of them together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Level = Literal["ok", "warning", "off"]

SIGNS = {"ok": "ok ", "warning": "?  ", "off": "OFF"}


@dataclass(frozen=True)
class Finding:
    """One thing that was checked.

    Attributes:
        file: Of the export.
        what: Was checked: "sha256", "outputs", "accuracy", ...
        level: "warning" for what differs, but need not be the file's fault.
        text: What was found, with the numbers.
        numbers: The same as JSON.
    """

    file: str
    what: str
    level: Level
    text: str
    numbers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether it is not off."""
        return self.level != "off"

    def to_json(self) -> dict[str, Any]:
        """All fields, and `ok`."""
        return {**asdict(self), "ok": self.ok}

    def line(self) -> str:
        """In a line."""
        return f"{SIGNS[self.level]}  {self.file}: {self.what}: {self.text}"


@dataclass(frozen=True)
class Verification:
    """All that was checked."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is off."""
        return all(finding.ok for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """{"ok", "findings"}."""
        return {"ok": self.ok, "findings": [finding.to_json() for finding in self.findings]}

    def text(self) -> str:
        """A line for each finding, and what they come to."""
        doubts = sum(finding.level == "warning" for finding in self.findings)
        end = "all as measured" if self.ok else "not what was measured"
        if self.ok and doubts:
            end = f"as measured, with {doubts} warning{'s' if doubts > 1 else ''}"
        return "\n".join([*(finding.line() for finding in self.findings), end])
