"""The versions of a study whose file changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class VersionChanges:
    """What a version changed, and what that meant for the earlier trials.

    Attributes:
        texts: What changed, one line each: "pruning.structured.ratio 0.1 .. 0.5 -> 0.1 .. 0.8".
        effects: What it meant: "48 of 50 trials still belong to the space".
        stale: Quantities that are measured with other options than before.
        retried: Trials that ended before their training, by a constraint that is gone or looser.
        options: Quantity -> options with which it is or was measured, over all versions.
        after: The highest trial number of the version before.
        outside: Trials of earlier versions that lie outside the space.
    """

    texts: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    retried: tuple[int, ...] = ()
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    after: int = -1
    outside: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns the fields as JSON."""
        return asdict(self)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> VersionChanges:
        """Returns the changes that `to_json` wrote."""
        names = VersionChanges.__dataclass_fields__
        fields = {name: entry for name, entry in value.items() if name in names}
        lists = ("texts", "effects", "stale", "retried", "outside")
        return VersionChanges(**{**fields, **{k: tuple(fields.get(k, ())) for k in lists}})


@dataclass(frozen=True)
class StudyVersion:
    """A version of a study.

    Attributes:
        number: 1, 2, ...
        created: Unix time.
        identity: What decides its trials (`trial.resume_check.identity`).
        changes: What changed since the version before.
    """

    number: int
    created: float
    identity: Mapping[str, Any]
    changes: VersionChanges

    @property
    def line(self) -> str:
        """One line: number, time and changes."""
        when = f"{datetime.fromtimestamp(self.created):%Y-%m-%d %H:%M}"
        texts = "; ".join(self.changes.texts) or "as the study began"
        return f"version {self.number} ({when}): {texts}"

    def to_json(self) -> dict[str, Any]:
        """Returns what `--json` shows."""
        shown = {"changes": list(self.changes.texts), "effects": list(self.changes.effects)}
        return {"number": self.number, "created": self.created, **shown}


def versions_json(versions: Sequence[StudyVersion]) -> dict[str, Any]:
    """Returns {"versions": [...]}; empty for a study that never changed."""
    return {"versions": [version.to_json() for version in versions]} if versions else {}
