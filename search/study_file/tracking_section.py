"""The section `track`: the trackers that a study is logged to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from paretune.search.study.spec import Selection
from paretune.search.study.tracker_options import TRACKER_OPTIONS
from paretune.search.study_file.section_reader import SectionReader

SECTION = "track"


class TrackingReader(SectionReader):
    """Reads the section `track`."""

    def trackers(self) -> tuple[Selection, ...]:
        """Returns each tracker with its options; notes mistakes."""
        value = self.data.get(SECTION)
        if value is None:
            return ()
        if not isinstance(value, Mapping):
            names = " or ".join(f"{{{name}: {{}}}}" for name in TRACKER_OPTIONS)
            self.problems.add((SECTION,), f"give trackers with their options, {names}")
            return ()
        selections = [self._tracker(str(name), options) for name, options in value.items()]
        return tuple(selection for selection in selections if selection is not None)

    def _tracker(self, name: str, options: Any) -> Selection | None:
        key = (SECTION, name)
        if name not in TRACKER_OPTIONS:
            self.problems.unknown_key(key, list(TRACKER_OPTIONS))
            return None
        if options is not None and not isinstance(options, Mapping):
            self.problems.add(key, f"give the tracker's options as a mapping, not {options!r}")
            return None
        if _has_password(options):  # the text must not repeat it
            self.problems.add(
                (*key, "uri"),
                "a password does not belong in a study file; set MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD in the environment",
            )
            return None
        checked = self.checked(TRACKER_OPTIONS[name], options or {}, key)
        if checked is None:
            return None
        if name == "mlflow" and not (checked["uri"] or os.environ.get("MLFLOW_TRACKING_URI")):
            self.problems.add(
                key, "give `uri`, such as http://localhost:5000, or set MLFLOW_TRACKING_URI"
            )
        return Selection(name, checked)


def _has_password(options: Mapping[str, Any] | None) -> bool:
    uri = (options or {}).get("uri")
    try:
        return isinstance(uri, str) and urlsplit(uri).password is not None
    except ValueError:  # no address at all
        return False
