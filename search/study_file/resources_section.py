"""The section `resources`: what a cluster reserves for each kind of stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paretune.search.study.resource_options import (
    MeasureResources,
    ResourceParams,
    TrainResources,
)
from paretune.search.study_file.section_reader import SectionReader
from paretune.spaces.params import Params

SECTION = "resources"

KINDS: Mapping[str, type[Params]] = {"train": TrainResources, "measure": MeasureResources}
"""Kind of stage -> its options."""


class ResourcesReader(SectionReader):
    """Reads the section `resources`."""

    def resources(self) -> ResourceParams | None:
        """Returns the resources of each kind of stage; None if the file names none."""
        if self.data.get(SECTION) is None:
            return None
        section = self.mapping(SECTION) or {}
        self.check_keys(section, list(KINDS), (SECTION,))
        values = {kind: self._kind(kind, section.get(kind)) for kind in KINDS}
        self._refuse_split(values["measure"] or {})
        return None if None in values.values() else ResourceParams.model_validate(values)

    def _kind(self, kind: str, options: Any) -> dict[str, Any] | None:
        if options is not None and not isinstance(options, Mapping):
            self.problems.add((SECTION, kind), f"give {{cpu: 1, gpu: 0}}, not {options!r}")
            return None
        return self.checked(KINDS[kind], options or {}, (SECTION, kind))

    def _refuse_split(self, measure: Mapping[str, Any]) -> None:
        """Notes what cannot be trained on one host and measured on another."""
        if measure.get("host") is None:
            return
        key = (SECTION, "measure", "host")
        if "evaluate" in self.data:
            self.problems.add(
                key, "is not for `evaluate`, which trains and measures in one call; leave it out"
            )
        search = self.data.get("search")
        if isinstance(search, Mapping) and search.get("racing") is not None:
            self.problems.add(
                key,
                "is not for `search.racing`, which measures trials where they train; leave one out",
            )
