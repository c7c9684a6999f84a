"""Studies that `paretune check` accepts and a run would stumble over."""

from __future__ import annotations

from pathlib import Path

import pytest

from paretune.search.preflight.finding import Finding
from paretune.search.preflight.preflight import PreflightInfo, loaded, preflight
from paretune.search.study_file.document import read_document
from paretune.search.study_file.loading import load_study
from paretune.search.study_file.problems import StudyFileError

STUDY = """\
study: small
data: digits
baseline:
  architecture: {simple_cnn: {width: 0.125}}
  pretrain: {epochs: 2, batch_size: 64}
space:
  architecture: {simple_cnn: {width: {float: [0.0625, 0.125]}}}
  pruning: {choice: {none: {}, structured: {ratio: {float: [0.1, 0.5]}, round_to: 1}}}
  distillation: none
  finetune: {epochs: 2, batch_size: 64}
  quantization: {choice: [none, dynamic]}
objectives: {accuracy: maximize, latency: {minimize: p50, seconds: 0.1}, size: minimize}
search: {trials: 4, seed: 1}
"""

USER_CODE = '''\
"""Code of a user."""

import torch
from pydantic import BaseModel
from torch import nn

from paretune.objectives.base import Measurement


class Net(nn.Module):
    """Works."""

    def __init__(self, classes, width=8):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.ReLU())
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))


class Misfit(Net):
    """Its classifier takes other features than the body gives."""

    def __init__(self, classes):
        super().__init__(classes)
        self.head = nn.Linear(99, classes)


class Endless(Net):
    """Its logits are not finite."""

    def forward(self, x):
        return super().forward(x) / 0


class Flat(Net):
    """Its outputs have no dimension for the examples."""

    def forward(self, x):
        return super().forward(x).sum(0)


class Broken:
    """An architecture with a mistake."""

    version = 1

    class Params(BaseModel):
        """Nothing."""

    @staticmethod
    def build(params, shape, classes):
        return 1 / 0


class BadPruning:
    """A technique with a mistake."""

    name = "bad"
    version = 1

    class Params(BaseModel):
        """Nothing."""

    @staticmethod
    def apply(candidate, params, context):
        return candidate.no_such_attribute


class BadOptimizer:
    """An optimizer that cannot be made."""

    class Params(BaseModel):
        """Nothing."""

    @staticmethod
    def build(*arguments, **options):
        raise RuntimeError("no optimizer here")

    make = build


class BadObjective:
    """An objective with a mistake."""

    name = "bad"
    unit = "points"
    better = "lower"
    cost = 1

    class Params(BaseModel):
        """Nothing."""

    @staticmethod
    def measure(subject, params, part):
        return 3.0


def evaluate(plan, report):
    raise AssertionError("a check calls no evaluate")


def evaluate_without_report(plan):
    return {"error": 1.0}


def cheap(plan):
    return {"size": plan["depth"] * 10.0}


def bad_cheap(plan):
    return {"size": plan["no_such_key"]}
'''


def tried(file: Path, *checks: str) -> PreflightInfo:
    """Returns the result of some checks of a full check."""
    spec = load_study(file)
    return preflight(spec, loaded(spec, read_document(file).where), only=checks)


def of(info: PreflightInfo, check: str, state: str = "mistake") -> list[Finding]:
    """Returns the findings of one check with a state."""
    return [f for f in info.findings if f.check == check and f.state == state]


def mistakes(file: Path, info: PreflightInfo) -> list[str]:
    """Returns the lines that `paretune check --full` prints for mistakes."""
    with pytest.raises(StudyFileError) as error:
        info.raise_mistakes(read_document(file).where)
    return list(error.value.problems)
