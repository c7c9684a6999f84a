"""Keeps Python's garbage collector from visiting what stays loaded during a run.

PyTorch and the runtimes are half a million objects that stay. Each full collection visits all of
them, which takes 0.3 s, as long as dozens of proposals. The first proposals load another quarter
of a million: counters of torch, SciPy and scikit-learn.
"""

from __future__ import annotations

import gc
import sys
from types import TracebackType


class LoadedObjects:
    """Excludes the objects of loaded modules from collections while the body runs.

    Does nothing if the program itself has frozen objects.
    """

    def __init__(self) -> None:
        self._ours = False
        self._modules = 0

    def __enter__(self) -> LoadedObjects:
        self._ours = not gc.get_freeze_count()
        self.look()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._ours:
            gc.unfreeze()
        self._ours, self._modules = False, 0

    def look(self) -> None:
        """Excludes today's objects as well, if modules were loaded since the last look."""
        if self._ours and len(sys.modules) != self._modules:
            self._modules = len(sys.modules)
            gc.collect()  # garbage that is frozen would stay until the end
            gc.freeze()
