"""The workers of a study that live now, and what each does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from paretune.search.database.rows import Rows
from paretune.search.database.worker_rows import (
    PAUSE,
    RUN,
    STOP,
    activity_rows,
    wanted,
    worker_rows,
)
from paretune.search.running.liveness import lives
from paretune.search.serving.state import short

STATUS = {RUN: "running", PAUSE: "holding", STOP: "stopping"}
"""What the user asks of the workers -> status of a study that has any."""


class WorkersNow(NamedTuple):
    """The workers at one moment.

    Attributes:
        parts: Parts of the page's state: workers, wanted, status.
        active: Number of workers that run trials.
    """

    parts: Mapping[str, Any]
    active: int


def workers_now(rows: Rows) -> WorkersNow:
    """Reads the workers of a study."""
    living = [worker for worker in worker_rows(rows) if lives(worker)]
    activity = activity_rows(rows) if living else {}
    request = wanted(rows)
    parts = {
        "workers": [_worker(w, activity.get(w["id"])) for w in living],
        "wanted": request,
        "status": STATUS[request] if living else "idle",
    }
    return WorkersNow(parts, len(living) if request == RUN else 0)


def _worker(row: Mapping[str, Any], activity: Mapping[str, Any] | None) -> dict[str, Any]:
    """Returns a worker and what it does; a worker of an older Paretune does not tell."""
    now = activity or {}
    points = now.get("curve") or []
    return {
        "id": row["id"],
        "host": row["host"],
        "pid": row["pid"],
        "trial": now.get("trial"),
        "stage": now.get("stage"),
        "epoch": now.get("epoch"),
        "epochs": now.get("epochs"),
        "loss": short(now.get("loss")),
        "score": short(now.get("score")),
        "started": now.get("started"),
        "updated": now.get("updated"),
        "curve": {
            "epoch": [point[0] for point in points],
            "loss": [short(point[1]) for point in points],
            "score": [short(point[2]) for point in points],
        },
    }
