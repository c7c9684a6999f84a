"""Export probe: checks before any training that a runtime can export an architecture."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.objectives.errors import Unmeasurable
from paretune.search.building.watch import Watch
from paretune.search.study.tables import RUNTIMES
from paretune.spaces.rebuild import initial_candidate

if TYPE_CHECKING:
    from paretune.objectives.inputs import Shape
    from paretune.search.building.stage_cache import StageCache


class ExportProbe:
    """Exports an untrained float network, once for each architecture and runtime.

    Random weights are enough: an exporter refuses operators, and neither pruning nor training
    changes them. So the result holds for all plans of the architecture. Success is kept in the
    study's folder. A refusal is kept in this process only, as a missing compiler may be installed.

    Args:
        cache: Keeps the results.
        shape: Shape of one input.
        classes: Number of classes.
    """

    def __init__(self, cache: StageCache, shape: Shape, classes: int) -> None:
        self._cache = cache
        self._shape = shape
        self._classes = classes
        self._refused: dict[str, str] = {}

    def check(self, architecture: Mapping[str, Any], runtime: str, watch: Watch) -> None:
        """Returns if the architecture can be exported, or cannot be built at all.

        The stage that builds the network reports that it cannot be built.

        Raises:
            StageError: The runtime refuses the network (the candidate is infeasible), or fails.
            UserError: The disk is full.
        """
        key = repr(("export", runtime, sorted(architecture.items()), self._shape, self._classes))
        with watch.stage("deploy"):
            try:
                if key in self._refused:
                    raise Unmeasurable(self._refused[key])
                self._cache.memo(key, lambda: self._export(architecture, runtime))
            except Unmeasurable as error:
                self._refused[key] = str(error)
                raise

    def _export(self, architecture: Mapping[str, Any], runtime: str) -> dict[str, Any]:
        """Exports the network; a slow runtime only checks the part of exporting that can fail."""
        try:
            model = initial_candidate(architecture, self._shape, self._classes, seed=0).model.eval()
        except Exception:
            return {"built": False}
        entry = RUNTIMES.get(runtime)
        if hasattr(entry, "probe"):
            entry.probe(model, self._shape)
        else:
            with tempfile.TemporaryDirectory() as folder:
                entry.export(model, self._shape, Path(folder) / f"probe{entry.suffix}")
        return {"built": True}
