"""Times deployed files in turn with the baseline's file."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from paretune.objectives.timing.differences import difference
from paretune.search.measuring.host_lock import host_lock
from paretune.search.measuring.targets import NO_MODEL, Target
from paretune.search.starting.facts import TriedOption
from paretune.search.study.quantity import Quantity
from paretune.search.study.tables import OBJECTIVES

if TYPE_CHECKING:
    from paretune.objectives.runtimes.base import Artifact
    from paretune.search.preflight.rehearsal import Rehearsal

LATENCY = "latency"

SECONDS, BRIEF_SECONDS = 0.5, 0.2
"""Seconds of timing for each file; fewer if a search follows that times what it chooses."""

RUNS = 20
"""Runs of the baseline that a short timing still has."""

_log = logging.getLogger(__name__)


class _File(NamedTuple):
    """A deployed file that waits to be timed."""

    option: TriedOption
    target: Target
    artifact: Artifact


class FileTimes:
    """Files of tried options, which are timed together at the end.

    Args:
        rehearsal: The study, with the baseline's files.
        batch: Inputs in one run.
        brief: Whether a search in rounds follows.
    """

    def __init__(self, rehearsal: Rehearsal, batch: int, brief: bool = False) -> None:
        self._rehearsal = rehearsal
        self._batch = batch
        self._seconds = brief_seconds(_latency(rehearsal)) if brief else SECONDS
        self._files: list[_File] = []

    def add(self, option: TriedOption, target: Target, artifact: Artifact) -> None:
        """Notes a file."""
        self._files.append(_File(option, target, artifact))

    def timed(self, tried: Sequence[TriedOption]) -> list[TriedOption]:
        """Returns the options with the times of their files, as shares of the baseline's."""
        times: dict[int, TriedOption] = {}
        for target in self._rehearsal.targets:
            files = [file for file in self._files if file.target.name == target.name]
            try:
                times |= self._session(target, files) if files else {}
            except Exception:  # no time is no reason to write no study
                _log.info("files were not timed", exc_info=True)
        return [times.get(id(option), option) for option in tried]

    def _session(self, target: Target, files: Sequence[_File]) -> dict[int, TriedOption]:
        """Times files in one session; returns the identity of each option -> it with its time."""
        deployed = next(d for d in self._rehearsal.deployed if d.target.name == target.name)
        objective = OBJECTIVES.get(LATENCY)
        params = objective.Params(seconds=self._seconds, references=False, batch=self._batch)
        artifacts = [deployed.artifact, *(file.artifact for file in files)]
        subjects = [
            target.subject(artifact, NO_MODEL, self._rehearsal.data) for artifact in artifacts
        ]
        with host_lock.measuring():
            reference, *measured = objective.measure_together(subjects, params)
        timed = {}
        for file, measurement in zip(files, measured, strict=True):
            ratio = difference(measurement, reference)
            timed[id(file.option)] = replace(
                file.option,
                time=math.exp(ratio.value),
                low=math.exp(ratio.value - ratio.half),
                high=math.exp(ratio.value + ratio.half),
            )
        return timed


def brief_seconds(latency: float) -> float:
    """Returns the seconds of a short timing of each file.

    Args:
        latency: Milliseconds of one run of the baseline.
    """
    return min(SECONDS, max(BRIEF_SECONDS, RUNS * latency / 1e3))


def _latency(rehearsal: Rehearsal) -> float:
    """Returns the milliseconds of one run of the baseline; 0 if it was not measured."""
    values = rehearsal.values.items()
    return max((m.value for name, m in values if Quantity.of(name).local == LATENCY), default=0.0)
