"""A study with trials that take no time, so that a trial costs only the engine and the sampler.

It has three objectives and eight parameters with branches, similar to those of compressed networks.
A study of plain Optuna over the same space gets the same figures.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from paretune.objectives.base import Measurement
from paretune.search.study.spec import StudySpec
from paretune.search.study_file.loading import load_study
from paretune.spaces.domains import assign

STUDY = """\
study: trivial
evaluate: "trivial:evaluate"
space:
  width: {float: [0.1, 1.0]}
  depth: {int: [1, 8]}
  pruning: {choice: {none: {}, structured: {ratio: {float: [0.1, 0.8]}}}}
  quantization: {choice: [none, dynamic, static]}
  optimizer:
    choice:
      sgd: {lr: {float: [1e-3, 1e-1], log: true}}
      adam: {lr: {float: [1e-4, 1e-2], log: true}}
objectives:
  error: {minimize: fraction}
  latency: {minimize: ms, worst: 10}
  size: {minimize: bytes, worst: 1e7}
search: {seed: 0}
"""

IMAGES = 2000
"""Number of classified images: an error comes in steps of 1 / IMAGES, and has an interval."""

NAMES = ("error", "latency", "size")


def figures(plan: Mapping[str, Any]) -> dict[str, float]:
    """Returns error, latency and size for choices of the space."""
    left = 1 - plan["pruning"].get("structured", {"ratio": 0.0})["ratio"]
    mode = plan["quantization"]
    [[name, options]] = plan["optimizer"].items()
    off = abs(options["lr"] / {"sgd": 2e-2, "adam": 1e-3}[name] - 1)
    luck = int(hashlib.sha256(repr(plan).encode()).hexdigest()[:8], 16) / 2**32
    weights = plan["width"] ** 2 * plan["depth"] * left
    wrong = 0.05 + 0.3 / (1 + 8 * weights) + 0.01 * min(off, 5) + 0.02 * luck
    wrong += {"none": 0.0, "dynamic": 0.004, "static": 0.01}[mode]
    speed = {"none": 1.0, "dynamic": 0.8, "static": 0.35}[mode]
    return {
        "error": round(wrong * IMAGES) / IMAGES,
        "latency": 0.05 + weights * speed * (0.98 + 0.04 * luck),
        "size": float(round(1e6 * weights * (1 if mode == "none" else 0.26))),
    }


def evaluate(plan: Mapping[str, Any], report: object) -> dict[str, Any]:
    """Returns the figures, the error with its interval; the trainer that the study file names.

    It computes for BENCH_WORK seconds, if the environment has that variable.
    """
    end = time.process_time() + float(os.environ.get("BENCH_WORK", 0))
    values = figures(plan)
    while time.process_time() < end:  # like a training: not for the engine, and no sleep
        values = figures(plan)
    error = values["error"]
    half = 1.96 * (error * (1 - error) / IMAGES) ** 0.5
    ends = (max(error - half, 0.0), error + half)
    return {**values, "error": Measurement("error", error, "fraction", "lower", *ends, IMAGES)}


def study_file(folder: Path) -> Path:
    """Writes the study file and its trainer to a folder; returns the study file."""
    (folder / "trivial.py").write_text(Path(__file__).read_text())
    file = folder / "trivial.yaml"
    file.write_text(STUDY)
    return file


def study(folder: Path, trials: int) -> StudySpec:
    """Writes the study to a folder and loads it."""
    return load_study(str(study_file(folder)), trials=trials)


def objective_of(spec: StudySpec) -> Callable[[Any], list[float]]:
    """Returns an objective function for Optuna with the same space and figures."""
    from plain_optuna import suggested  # not imported when Paretune calls `evaluate`

    def objective(trial: Any) -> list[float]:
        values = figures(assign(spec.space, lambda name, domain: suggested(trial, name, domain)))
        return [values[name] for name in NAMES]

    return objective
