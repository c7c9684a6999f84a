"""The versions and rounds of a study in words."""

from __future__ import annotations

from typing import Any

from paretune.search.database.reader import StudyReader


def versions_of(reader: StudyReader) -> list[dict[str, Any]]:
    """Returns the versions of a study with what each changed; empty if it never changed."""
    return [
        {"number": v.number, "text": v.line, "changes": list(v.changes.effects)}
        for v in reader.versions()
    ]


def rounds_of(reader: StudyReader) -> list[dict[str, Any]]:
    """Returns the rounds of `paretune optimize` in words; empty in any other study."""
    return [
        {
            "number": entry["number"],
            "text": " ".join(entry["sentences"]),
            "changes": list(entry.get("changes") or ()),
        }
        for entry in reader.rounds()
        if entry.get("sentences")
    ]
