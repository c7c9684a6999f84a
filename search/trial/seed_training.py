"""Trains a trial of the built-in stages again with another seed, and measures its score.

The network is deployed to the same targets as the trial's own one, as accuracy is measured on the
deployed file. Only what depends on the weights is measured: times and sizes stay those of the
network that the search made and that `export` hands over.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from paretune.objectives.base import Measurement
from paretune.search.building.stage_keys import SeedRepeat
from paretune.search.building.watch import StageError
from paretune.search.study.plan import Plan
from paretune.search.study.repeated_stages import first_repeated
from paretune.search.study.seed_results import SeedResult, SeedState, repeat_seed
from paretune.search.study.spec import canonical, digest
from paretune.search.trial.watching import watch_of
from paretune.spaces.base import InfeasibleCandidate

if TYPE_CHECKING:
    from paretune.search.building.watch import Watch
    from paretune.search.measuring.targets import Target
    from paretune.search.study.records import TrialRecord
    from paretune.search.trial.control import Control
    from paretune.search.trial.events import Reporter
    from paretune.search.trial.workbench import Workbench
    from paretune.spaces.base import Candidate

FOLDER = "repeats"
"""Folder of the deployed files, in the study's folder; each is removed after it was measured."""


@dataclass(frozen=True)
class SeedTraining:
    """Trains trials of one study again.

    Attributes:
        workbench: The study's parts.
        baseline: The plan of trial 0.
        control: Looks for a pause or a stop between stages and epochs.
    """

    workbench: Workbench
    baseline: Plan
    control: Control

    def is_repeatable(self, plan: Plan) -> bool:
        """Returns whether another seed gives another network."""
        return first_repeated(plan, self.baseline) is not None

    def setting(self) -> str:
        """Returns a digest of the seed, and of what is measured with which options."""
        bench = self.workbench
        measured = [[t.name, list(t.gauge.of_weights().quantities)] for t in bench.targets]
        return digest([bench.spec.seed, bench.data.fingerprint, canonical(measured)])[:16]

    def repeat(self, trial: TrialRecord, repeat: int, report: Reporter) -> SeedResult:
        """Trains a trial again, and measures it on the validation and the test part.

        Args:
            trial: A complete trial.
            repeat: Number of the training, from 1.
            report: Receives an event for each stage and epoch.

        Raises:
            UserError: The disk is full.
        """
        begun = time.monotonic()
        watch = watch_of(trial.number, report, self.control)
        plan = Plan.from_json(trial.plan)
        try:
            validation, test = self._measured(trial.number, plan, repeat, watch)
        except StageError as error:
            state: SeedState = "infeasible" if error.infeasible else "failed"
            spent = time.monotonic() - begun - watch.held
            return SeedResult(repeat, state, reason=error.to_json(), seconds=spent)
        spent = time.monotonic() - begun - watch.held
        return SeedResult(repeat, "complete", validation, test, seconds=spent)

    def _measured(
        self, number: int, plan: Plan, repeat: int, watch: Watch
    ) -> tuple[dict[str, Measurement], dict[str, Measurement]]:
        """Returns the measurements on the validation and on the test part, by name."""
        bench = self.workbench
        seeded = SeedRepeat(
            repeat_seed(bench.spec.seed, repeat), partial(first_repeated, baseline=self.baseline)
        )
        bench = replace(bench, pipeline=bench.pipeline.repeated(seeded))
        candidate = bench.pipeline.candidate(plan, watch)
        validation: dict[str, Measurement] = {}
        test: dict[str, Measurement] = {}
        for target in bench.targets:
            file = bench.spec.folder / FOLDER / f"trial-{number:05d}-{repeat}"
            file = file.with_name(file.name + target.deployment.suffix)
            with _removed(file):
                answers = _on_target(bench, plan, candidate, target, file, watch)
                for part, measured in zip((validation, test), answers, strict=True):
                    part.update((m.name, m) for m in measured)
        return validation, test


def _on_target(
    bench: Workbench, plan: Plan, candidate: Candidate, target: Target, file: Path, watch: Watch
) -> tuple[list[Measurement], list[Measurement]]:
    """Deploys a candidate to a target; returns what depends on its weights, on both parts."""
    suited = candidate
    if target.name is not None:
        suited, _ = bench.pipeline.suited(plan, candidate, target.deployment)
    file.parent.mkdir(parents=True, exist_ok=True)
    artifact = bench.pipeline.deploy(plan, suited, file, watch, target.deployment)
    scored = replace(target, gauge=target.gauge.of_weights())
    with watch.stage("measure"):
        validation = scored.measure(scored.subject(artifact, suited.model, bench.data))
        wrong = [m.name for m in validation if not math.isfinite(m.value)]
        if wrong:
            raise InfeasibleCandidate(f"{', '.join(wrong)}: the measured value is not finite")
        return validation, scored.test(artifact, bench.data)


@contextmanager
def _removed(file: Path) -> Iterator[None]:
    """Removes the deployed file at the end, and what a runtime wrote beside it."""
    try:
        yield
    finally:
        for each in file.parent.glob(f"{file.stem}.*") if file.parent.is_dir() else ():
            with suppress(OSError):
                shutil.rmtree(each) if each.is_dir() else each.unlink()
        with suppress(OSError):  # another worker uses the folder
            file.parent.rmdir()
