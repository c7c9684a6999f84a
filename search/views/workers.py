"""The workers of a study: `paretune workers`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

HEAD = ("host", "process", "gpu", "trial", "stage", "epoch", "last sign")

NONE = "no worker runs this study"


@dataclass(frozen=True)
class WorkerInfo:
    """A living worker and what it does.

    Attributes:
        id: Its name in the database.
        host: Its host.
        pid: Its process there.
        gpu: The GPUs that it may use, if a variable says so; else None.
        trial: Its trial; None if it does not tell.
        stage: The stage of the trial, or None.
        epoch: The last epoch of the stage, or None.
        epochs: All epochs of the stage, or None.
        silent: Seconds since its last sign of life, by the clock that wrote it.
    """

    id: str
    host: str
    pid: int
    gpu: str | None
    trial: int | None
    stage: str | None
    epoch: int | None
    epochs: int | None
    silent: float

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells of its row."""
        trial = "-" if self.trial is None else str(self.trial) if self.trial else "baseline"
        epoch = "-" if not self.epoch else f"{self.epoch}/{self.epochs or '?'}"
        sign = f"{self.silent:.0f} s ago"
        return (self.host, str(self.pid), self.gpu or "-", trial, self.stage or "-", epoch, sign)


def worker_infos(rows: Sequence[Mapping[str, Any]]) -> list[WorkerInfo]:
    """Returns living workers, by host and process.

    Args:
        rows: Their rows, as `StudyReader.workers` returns them.
    """
    infos = [_info(row) for row in rows]
    return sorted(infos, key=lambda info: (info.host, info.pid))


def workers_text(infos: Sequence[WorkerInfo]) -> str:
    """Returns a table of workers for a terminal."""
    if not infos:
        return NONE
    rows = [HEAD, *(info.cells for info in infos)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _info(row: Mapping[str, Any]) -> WorkerInfo:
    activity = row["activity"] or {}
    doing = {name: activity.get(name) for name in ("trial", "stage", "epoch", "epochs")}
    silent = max(0.0, (row.get("now") or time.time()) - row["heartbeat"])
    return WorkerInfo(row["id"], row["host"], row["pid"], row.get("gpu"), **doing, silent=silent)
