"""The quickstart study with stages that take no time: its cost is engine, sampler and stage cache.

The loop is Paretune's own: locks, stage keys, files of the cache, all tables. Only training,
deployment and measurement are replaced, by figures computed from the plan.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from plain_optuna import suggested

from paretune.objectives.base import Measurement
from paretune.objectives.runtimes.base import Artifact
from paretune.search.building.pipeline import Pipeline
from paretune.search.building.stage_keys import Link
from paretune.search.building.watch import Watch
from paretune.search.measuring.gauge import Gauge
from paretune.search.study.plan import Plan, make_plan
from paretune.search.study.spec import StudySpec
from paretune.search.study.stage import Stage
from paretune.search.study_file.loading import load_study
from paretune.spaces.base import Candidate
from paretune.spaces.domains import assign

QUICKSTART = Path(__file__).parents[2] / "studies" / "quickstart.yaml"


def study(folder: Path, trials: int) -> StudySpec:
    """Loads the quickstart study with its database and files in a folder."""
    spec = load_study(QUICKSTART, storage=f"sqlite:///{folder / 'study.db'}", trials=trials)
    return replace(spec, folder=folder / "study", format_variants=False)


@contextmanager
def no_work() -> Iterator[None]:
    """Makes stages take no time while the body runs a study."""
    torch.set_num_threads(1)
    with (
        mock.patch("paretune.search.trial.stage_study.Pipeline", NoWork),
        mock.patch("paretune.search.building.pipeline.rebuild", one_weight),
        mock.patch.object(Gauge, "measure", measured),
        mock.patch.object(Gauge, "test", measured),
    ):
        yield


def objective_of(spec: StudySpec) -> Callable[[Any], list[float]]:
    """Returns the same objectives for a study of plain Optuna."""

    def objective(trial: Any) -> list[float]:
        choices = assign(spec.space, lambda name, domain: suggested(trial, name, domain))
        values = figures(make_plan(choices, spec.runtime))
        return [values[objective.name] for objective in spec.objectives]

    return objective


def figures(plan: Plan) -> dict[str, float]:
    """Returns quantity -> value of a plan, similar to those of real candidates."""
    stages = {stage.kind: stage.params for stage in plan.stages}
    [(family, options)] = stages["pretrain"]["architecture"].items()
    width = options["width"] * (0.6 if family == "separable_cnn" else 1.0)
    ratio = stages["prune"]["pruning"]["structured"]["ratio"] if "prune" in stages else 0.0
    channels = max(8, round(64 * width * (1 - ratio) / 8) * 8) / 64  # in steps of 8, as pruned
    mode = next(iter(stages["quantize"]["quantization"])) if "quantize" in stages else "none"
    speed = {"none": 1.0, "dynamic": 0.9, "static": 0.4}[mode]
    luck = int(hashlib.sha256(plan.key.encode()).hexdigest()[:8], 16) / 2**32
    lost = 0.04 * (1 - channels) ** 2 + (0.01 if mode != "none" else 0.0) + 0.02 * luck
    right = round(448 * (0.99 - lost))  # of 448 images: accuracy comes in steps
    return {
        "accuracy": right / 448,
        "latency": 0.05 + 1.2 * channels**1.5 * speed * (0.98 + 0.04 * luck),
        "size": float(round(8.7e6 * channels**2 * (1.0 if mode == "none" else 0.26))),
        "parameters": float(round(2.2e6 * channels**2)),
        "macs": float(round(2.4e7 * channels**2)),
    }


class NoWork(Pipeline):
    """The real pipeline with stages that make a network of one weight; deploying writes no file."""

    plan: Plan

    def candidate(self, plan: Plan, watch: Watch) -> Candidate:
        """Builds it as the pipeline does: stage keys, locks, files and rows of the cache."""
        NoWork.plan = plan
        return super().candidate(plan, watch)

    def _apply(self, link: Link, *_: Any) -> Candidate:
        if link.stage.params.get("recipe"):
            self._save_curve(link.digest, curve(link.stage))
        return Candidate(one_weight(), (1, 8, 8), 10)

    def deploy(
        self, plan: Plan, candidate: Candidate, path: Path, watch: Watch, *_: Any
    ) -> Artifact:
        """Returns an artifact without a file."""
        with watch.stage("deploy"):
            return Artifact(path, "onnxruntime", plan.key, 1, {"opset": 17, "quantization": {}})


def one_weight(*_: Any) -> torch.nn.Module:
    """Returns the smallest network."""
    return torch.nn.Linear(1, 1)


def curve(stage: Stage) -> list[dict[str, Any]]:
    """Returns a learning curve as long as the stage's recipe."""
    epochs = stage.params["recipe"]["epochs"]
    return [
        {"epoch": epoch + 1, "loss": 1.0, "accuracy": 0.5, "seconds": 1.0}
        for epoch in range(epochs)
    ]


def measured(gauge: Gauge, *_: Any) -> list[Measurement]:
    """Returns the figures of the plan that was built last, as the gauge would measure them."""
    values = figures(NoWork.plan)
    units = {"accuracy": "fraction", "latency": "ms", "size": "bytes"}
    conditions = {f"condition_{i}": 1.0 for i in range(16)}
    return [
        Measurement(n, values[n], units.get(n, n), "lower", values[n], values[n], 100, conditions)
        for n, _ in gauge.quantities
    ]
