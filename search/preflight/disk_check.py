"""Checks the disk: stages and files of the trials must fit."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from paretune.search.preflight.finding import Finding
from paretune.search.preflight.rehearsal import Rehearsal
from paretune.search.study.units import format_value

BYTES = 4
"""Bytes of a parameter in the stage cache."""

STAGES = 2
"""Trained networks that a trial keeps, and about one file."""


def check_disk(rehearsal: Rehearsal) -> Iterator[Finding]:
    """Yields whether the trials fit on the disk of the study's folder."""
    spec = rehearsal.spec
    largest = max((size for size, _ in rehearsal.sizes), default=0)
    if not largest:
        return
    one = BYTES * largest * (STAGES + 1)
    files = sum(deployed.artifact.bytes for deployed in rehearsal.deployed)
    stages = min(spec.cache_limit, BYTES * largest * STAGES * (spec.trials or 100))
    needed = stages + files * (spec.trials or 100)
    free = shutil.disk_usage(_existing(spec.folder)).free
    text = f"{_size(free)} are free; the trials need up to about {_size(needed)}"
    if free < one:
        text = f"{_size(free)} are free, but one trial needs {_size(one)}; make room"
        yield Finding("disk", "mistake", text, ("study",))
    elif free < needed:
        hint = 'make room, or limit the stages: search: {cache: "2 GB"}'
        yield Finding("disk", "note", f"{text}; {hint}")
    else:
        yield Finding("disk", "ok", text)


def _existing(folder: Path) -> Path:
    """Returns the folder, or the nearest one above it that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _size(count: float) -> str:
    return format_value(count, "bytes")
