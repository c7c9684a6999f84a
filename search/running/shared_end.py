"""The end of a search, which all its workers reach together: one of them measures the front again.

Without this, each of eight workers would read thousands of trials, and measure the test part, too.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from paretune.search.database.leases import Leases
from paretune.search.database.store import END

if TYPE_CHECKING:
    from paretune.search.trial.open_study import OpenStudy

LEASE = "end of the search"


class SharedEnd:
    """What the workers of one study do once at the end of its search.

    Make it before the search. A worker leaves the work out if another one has done it since then,
    after the last trial that has ended.

    Args:
        study: The open study.
    """

    def __init__(self, study: OpenStudy) -> None:
        self._study = study
        self._before = study.store.end_mark()

    def run(self, work: Callable[[], None]) -> None:
        """Does the work, unless another worker has done it.

        Raises:
            Exception: What `work` raises; the work counts as not done then.
        """
        with Leases(self._study.engine).held(LEASE):
            mark = self._study.store.end_mark()
            if mark != self._before and mark is not None and self._covers(mark):
                return
            work()
            self._study.store.add_info(**{END: {**self._present(), "token": uuid.uuid4().hex[:12]}})

    def _covers(self, mark: dict[str, Any]) -> bool:
        """Returns whether no trial has ended since, and the study is the same version."""
        return {name: mark.get(name) for name in ("ended", "last", "version")} == self._present()

    def _present(self) -> dict[str, Any]:
        ended, last = self._study.store.last_end()
        return {"ended": ended, "last": last, "version": self._study.store.version}
