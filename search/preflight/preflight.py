"""Preflight: tries everything that a run of a study could stumble over, in a table of checks."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.search.errors import UserError
from paretune.search.preflight.finding import Finding
from paretune.search.study_file.problems import Key, Problems, StudyFileError
from paretune.search.tasks import TASKS, brings_data
from paretune.search.user_code import add_import_folders

if TYPE_CHECKING:
    from paretune.search.data.dataset import Dataset
    from paretune.search.preflight.estimate import Estimate
    from paretune.search.preflight.rehearsal import Rehearsal
    from paretune.search.study.spec import StudySpec

SHARE = 0.05
"""Time of a run's first step after the exports, as a share of the training of all trials.

Each option is tried once, however long that takes. Its other variants are tried until this time.
"""

SHORTEST, LONGEST = 0.5, 300.0
"""Bounds of that time in seconds."""

UNLIMITED = 1e9

PROBING = ("baseline", "architecture")
"""Checks whose exports a run need not repeat; their time does not count."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreflightInfo:
    """The result of a preflight.

    Attributes:
        findings: What was tried, in order.
        estimate: How long the study takes; None if that is unknown.
        seconds: Duration of the preflight.
    """

    findings: tuple[Finding, ...]
    estimate: Estimate | None
    seconds: float

    @property
    def mistakes(self) -> list[Finding]:
        """Findings that end the check."""
        return [finding for finding in self.findings if finding.state == "mistake"]

    def count(self, check: str) -> int:
        """Returns how many networks, prunings or formats a check tried with success."""
        return sum(f.count for f in self.findings if f.check == check and f.state == "ok")

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON."""
        return {
            "checks": [asdict(finding) for finding in self.findings],
            "estimate": self.estimate.to_json() if self.estimate else None,
            "seconds": round(self.seconds, 1),
        }

    def raise_mistakes(self, where: Callable[[Key], str]) -> None:
        """Raises all mistakes, as a study file's.

        Args:
            where: Returns the file and line of a key.

        Raises:
            StudyFileError: There is a mistake.
        """
        problems = Problems(where)
        for finding in self.mistakes:
            named = finding.key and finding.key[-1] == finding.item
            problems.add(finding.key, ("" if named else f"{finding.item}: ") + finding.text)
        problems.raise_any()


def full_check(spec: StudySpec, where: Callable[[Key], str]) -> PreflightInfo:
    """Tries the parts of a study once, and takes the time that this needs.

    Args:
        spec: The study.
        where: Returns the file and line of a key.

    Raises:
        StudyFileError: The data cannot be loaded, so that nothing else can be tried.
    """
    return preflight(spec, None if spec.trainer else loaded(spec, where))


def loaded(spec: StudySpec, where: Callable[[Key], str]) -> Dataset:
    """Loads the data of a study.

    Args:
        spec: The study.
        where: Returns the file and line of a key.

    Raises:
        StudyFileError: It cannot be loaded.
    """
    from paretune.search.trial.study_data import load_study_data

    add_import_folders(spec.file.parent)
    try:
        return load_study_data(spec)
    except StudyFileError:
        raise
    except UserError as error:
        section = "task" if brings_data(TASKS.get(spec.task.name)) else "data"
        text = str(error).removeprefix(f"{section}: ")
        raise StudyFileError([f"{where((section,))}: {section}: {text}"]) from error


def preflight(
    spec: StudySpec,
    data: Dataset | None = None,
    probes: Path | None = None,
    only: Collection[str] | None = None,
) -> PreflightInfo:
    """Tries the parts of a study once.

    Args:
        spec: The study.
        data: Its data; None for a study with the user's own trainer.
        probes: Folder in which a run keeps the export probe's results. None for a full check,
            which takes its time and writes nothing into the study's folder.
        only: Names of the checks; None for all, with an estimate.
    """
    begun = time.monotonic()
    add_import_folders(spec.file.parent)
    if data is None:
        from paretune.search.preflight.trainer_check import check_trainer

        findings = [replace(f, check="trainer") for f in check_trainer(spec)]
        return PreflightInfo(tuple(findings), None, time.monotonic() - begun)
    from paretune.search.preflight.rehearsal import rehearsal

    with rehearsal(spec, data, UNLIMITED, probes) as opened:
        findings = list(_findings(opened, only))
        estimated = None if only or _broken(findings) else _estimated(opened)
    return PreflightInfo(tuple(findings), estimated, time.monotonic() - begun)


def _findings(rehearsal: Rehearsal, only: Collection[str] | None) -> Iterator[Finding]:
    for name, check in _checks().items():
        if only is not None and name not in only:
            continue
        try:
            for finding in check(rehearsal):
                yield replace(finding, check=name)
        except UserError as error:
            yield Finding(name, "mistake", str(error), (name,), check=name)
            if name == "data":
                return  # nothing else can be tried with data that does not fit
        except Exception as error:  # a fault of this check must not end a run that would work
            _log.info("not checked: %s", name, exc_info=True)
            text = f"not checked: {type(error).__name__}: {error}"
            yield Finding(name, "skipped", text, check=name)
        if rehearsal.quick and rehearsal.refused_devices:
            return  # a run ends at once
        if name in PROBING and rehearsal.quick:  # a run takes over what these did
            rehearsal.until = time.monotonic() + _seconds(rehearsal)


def _checks() -> Mapping[str, Callable[[Rehearsal], Iterator[Finding]]]:
    """Returns the table of checks, in order; they import torch."""
    from paretune.search.preflight.architecture_check import check_architectures
    from paretune.search.preflight.baseline_check import check_baseline
    from paretune.search.preflight.constraint_check import check_constraints
    from paretune.search.preflight.data_check import check_data
    from paretune.search.preflight.device_check import check_devices
    from paretune.search.preflight.disk_check import check_disk
    from paretune.search.preflight.elastic_check import check_elastic
    from paretune.search.preflight.format_check import check_formats
    from paretune.search.preflight.objective_check import check_objectives
    from paretune.search.preflight.precision_check import check_precision
    from paretune.search.preflight.pruning_check import check_prunings
    from paretune.search.preflight.training_check import check_distillations, check_trainings

    return {
        "data": check_data,
        "devices": check_devices,
        "baseline": check_baseline,
        "architecture": check_architectures,
        "elastic": check_elastic,
        "objectives": check_objectives,
        "pruning": check_prunings,
        "precision": check_precision,
        "training": check_trainings,
        "distillation": check_distillations,
        "quantization": check_formats,
        "constraints": check_constraints,
        "disk": check_disk,
    }


def _broken(findings: list[Finding]) -> bool:
    return any(finding.state == "mistake" for finding in findings)


def _estimated(rehearsal: Rehearsal) -> Estimate | None:
    from paretune.search.preflight.estimate import estimate

    try:
        return estimate(rehearsal)
    except Exception:  # an estimate is no reason to end a run
        _log.info("no estimate", exc_info=True)
        return None


def _seconds(rehearsal: Rehearsal) -> float:
    """Returns the seconds that a run's first step may take, by the training of all trials."""
    network = rehearsal.network
    if network is None:
        return SHORTEST
    training = sum(
        stage.epochs * network.epochs.get(stage.kind, 0.0) / network.share
        for stage in network.plan.stages
        if stage.kind != "deploy"
    )
    return min(max(SHARE * training * (rehearsal.spec.trials or 1), SHORTEST), LONGEST)
