"""A search with Optuna alone over the stages of a study, as a script would write it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import torch
from plain_optuna import suggested

from paretune.objectives.base import Measurement, Subject
from paretune.objectives.runtimes.base import Artifact
from paretune.search.building.pipeline import Pipeline
from paretune.search.building.stage_cache import StageCache
from paretune.search.building.watch import StageError, Watch
from paretune.search.data import load_data
from paretune.search.measuring.gauge import (
    Gauge,
    values_by_name,
    values_of,
    violations_of,
)
from paretune.search.study.deployment import deployments
from paretune.search.study.plan import Plan, baseline_plan, make_plan
from paretune.search.study.spec import StudySpec
from paretune.spaces.domains import assign


class NoCache(StageCache):
    """A stage cache that keeps nothing, as in a plain script."""

    def __init__(self) -> None:
        super().__init__(Path(), None)  # type: ignore[arg-type]

    def lock(self, key: str) -> Any:
        """Returns a lock that does nothing."""
        return contextlib.nullcontext()

    def has(self, key: str) -> bool:
        """Returns False."""
        return False

    def load(self, key: str, rebuild: Callable[..., Any]) -> None:
        """Returns None: nothing is stored."""

    def save(self, *_: Any) -> None:
        """Does nothing."""

    def snapshot(self, key: str, most: int) -> None:
        """Returns None: nothing is stored."""

    def keep(self, *_: Any) -> None:
        """Does nothing."""

    def memo(self, key: str, make: Callable[[], Any]) -> Any:
        """Returns a new value each time."""
        return make()

    def tensor(self, key: str, make: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Returns a new tensor each time."""
        return make()


Report = Callable[[Mapping[str, float] | None], None]
"""Takes the values of a trial that has ended; None for a trial without values."""


class PlainScript:
    """A search written with Optuna alone.

    Args:
        spec: The study.
        sampler: A sampler of Optuna.
        folder: Folder of the artifacts.
        cache: Stages that are kept; by default none.
    """

    def __init__(
        self,
        spec: StudySpec,
        sampler: optuna.samplers.BaseSampler,
        folder: Path,
        cache: StageCache | None = None,
    ) -> None:
        self._spec, self._folder = spec, folder
        self._data = load_data(spec.data.name, spec.data.params, spec.file.parent, spec.seed)
        self._baseline = baseline_plan(spec.baseline, spec.runtime)
        self._pipeline = Pipeline(
            self._data,
            cache or NoCache(),
            self._baseline,
            spec.seed,
            spec.device,
            folder=spec.file.parent,
        )
        self._gauge = Gauge.of(spec)
        self._study = optuna.create_study(
            storage=f"sqlite:///{folder / 'optuna.db'}",
            sampler=sampler,
            directions=[objective.direction for objective in spec.objectives],
        )
        self._reference: tuple[Artifact | None, Mapping[str, Measurement]] = (None, {})

    def run(self, report: Report) -> None:
        """Runs the baseline and all trials."""
        artifact, measured = self._measured(self._baseline, "baseline")
        self._reference = (artifact, {m.name: m for m in measured})
        report(values_of(measured, self._spec.objectives))

        def objective(trial: optuna.Trial) -> list[float]:
            plan = make_plan(
                assign(self._spec.space, partial(suggested, trial)), self._spec.runtime
            )
            try:
                _, measured = self._measured(plan, f"{trial.number}")
            except StageError as error:
                report(None)
                raise optuna.TrialPruned from error
            values = values_of(measured, self._spec.objectives)
            report(values if self._feasible(trial, measured) else None)
            return list(values.values())

        self._study.optimize(objective, n_trials=self._spec.trials)

    def _feasible(self, trial: optuna.Trial, measured: Sequence[Measurement]) -> bool:
        """Returns whether all constraints hold; stores the violations for the sampler."""
        violations = violations_of(
            self._spec.constraints,
            {m.name: m.value for m in measured},
            values_by_name(self._reference[1]),
        )
        for text, violation in violations.items():
            trial.set_constraint(text, violation)
        return all(violation <= 0 for violation in violations.values())

    def _measured(self, plan: Plan, name: str) -> tuple[Artifact, Sequence[Measurement]]:
        """Builds, deploys and measures a plan; returns its artifact and measurements."""
        watch = Watch()
        candidate = self._pipeline.candidate(plan, watch)
        [deployment] = deployments(plan)
        path = self._folder / f"{name}{deployment.suffix}"
        artifact = self._pipeline.deploy(plan, candidate, path, watch)
        subject = Subject(
            *(artifact, deployment.runtime, deployment.options, candidate.model, self._data),
            *self._reference,
        )
        return artifact, self._gauge.measure(subject)
