"""Probing: whether an architecture can be exported, asked before anything of it is trained."""

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


class Probe:
    """Exports an untrained network, in float, once for each architecture and runtime.

    Random weights do: what an exporter refuses is an operator. Pruning and training change none, so
    the answer holds for all plans of the architecture. That it can be exported is kept in the
    study's folder; that it cannot, only in this process, as a missing compiler may be installed.

    Args:
        cache: Where answers are kept.
        shape: Of one input.
        classes: How many.
    """

    def __init__(self, cache: StageCache, shape: Shape, classes: int) -> None:
        self._cache = cache
        self._shape = shape
        self._classes = classes
        self._refused: dict[str, str] = {}

    def ask(self, architecture: Mapping[str, Any], runtime: str, watch: Watch) -> None:
        """Returns when the architecture can be exported, or cannot even be built.

        A network that cannot be built is left to the stage that builds it.

        Raises:
            StageError: The runtime refuses it (the candidate is infeasible), or fails.
            UserError: The disk is full.
        """
        key = repr(("export", runtime, sorted(architecture.items()), self._shape, self._classes))
        with watch.stage("deploy"):
            try:
                if key in self._refused:
                    raise Unmeasurable(self._refused[key])
                self._cache.memo(key, lambda: self._tried(architecture, runtime))
            except Unmeasurable as error:
                self._refused[key] = str(error)
                raise

    def _tried(self, architecture: Mapping[str, Any], runtime: str) -> dict[str, Any]:
        """Exports it, or the part of exporting that can fail where all of it takes long."""
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
