"""Records of studies of any size, as a database would return them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from paretune.objectives.base import Measurement
from paretune.search.front.pareto import Front, hypervolume
from paretune.search.study.records import Axis, FrontPoint, StudyRecord, TrialRecord

AXES = (
    Axis("accuracy", "fraction", "higher"),
    Axis("latency", "ms", "lower"),
    Axis("size", "bytes", "lower"),
    Axis("parameters", "parameters", "lower"),
    Axis("macs", "MACs", "lower"),
)
BASE = {"accuracy": 0.95, "latency": 2.0, "size": 8e6, "parameters": 2e6, "macs": 4e7}

MakeRecord = Callable[..., StudyRecord]


def make_record(
    trials: int, objectives: int = 3, seed: int = 0, name: str = "made-up"
) -> StudyRecord:
    """Returns the record of a study.

    Args:
        trials: Number of trials besides the baseline; -1 for no baseline either.
        objectives: Number of objectives, in the order of AXES.
        seed: Seed of the values.
        name: Name of the study.
    """
    random = np.random.default_rng(seed)
    axes = AXES[:objectives]
    made, front, growth = [], Front(), []
    for number in range(trials + 1):
        trial = _baseline(axes) if number == 0 else _trial(number, axes, random)
        made.append(trial)
        if not trial.feasible or trial.repeat_of is not None:
            continue
        losses = [trial.values[a.name] * (1 if a.better == "lower" else -1) for a in axes]
        if front.add(number, np.array(losses)):
            volume = _volume(front.losses)
            growth.append(FrontPoint(number, trial.finished or 0.0, volume, front.members))
    return StudyRecord(
        name=name,
        source={
            "study": name,
            "data": "digits",
            "goals": ["latency <= 0.5 x baseline"][: objectives - 1],
        },
        axes=axes,
        trials=tuple(made),
        growth=tuple(growth),
        trial_limit=trials,
        info={
            "data": {"name": "digits", "train": 899},
            "hosts": {"abc": {"cpu": "a <fast> one", "cores": 2, "memory_bytes": 8e9}},
            "versions": {"paretune": "0"},
        },
    )


def _volume(losses: np.ndarray) -> float:
    reference = np.array([0.0, *(1.2 * BASE[a.name] for a in AXES[1 : losses.shape[1]])])
    return hypervolume(losses, reference) / float(np.prod(np.where(reference == 0, 1, reference)))


def _measured(values: dict[str, float], axes: tuple[Axis, ...]) -> dict[str, Measurement]:
    spread = {"fraction": 0.01, "ms": 0.03}
    measurements = {}
    for axis in axes:
        value, width = values[axis.name], spread.get(axis.unit, 0.0)
        measurements[axis.name] = Measurement(
            axis.name,
            value,
            axis.unit,
            axis.better,
            value * (1 - width),
            value * (1 + width),
            400,
            {"batch": 1},
        )
    return measurements


def _baseline(axes: tuple[Axis, ...]) -> TrialRecord:
    values = {axis.name: BASE[axis.name] for axis in axes}
    return TrialRecord(
        number=0,
        state="complete",
        params={},
        plan=[{"kind": "pretrain", "params": {"architecture": {"simple_cnn": {"width": 1.0}}}}],
        values=values,
        measurements=_measured(values, axes),
        test=_measured(values, axes[:1]),
        started=1e9,
        finished=1e9 + 9,
    )


def _trial(number: int, axes: tuple[Axis, ...], random: np.random.Generator) -> TrialRecord:
    width = float(random.choice([0.25, 0.5, 1.0]))
    pruned = bool(random.random() < 0.5)
    ratio = float(random.uniform(0.1, 0.8)) if pruned else 0.0
    small = width**2 * (1 - ratio)
    values = {
        "accuracy": 0.95 - 0.04 * (1 - small) ** 3 + float(random.normal(0, 0.004)),
        "latency": 2.0 * small**0.7 * float(random.uniform(0.9, 1.1)),
        "size": 8e6 * small,
        "parameters": 2e6 * small,
        "macs": 4e7 * small,
    }
    values = {axis.name: values[axis.name] for axis in axes}
    params = {"architecture.simple_cnn.width": width, "pruning": "structured" if pruned else "none"}
    params |= {"pruning.structured.ratio": ratio} if pruned else {}
    plan = [
        {"kind": "pretrain", "params": {"architecture": {"simple_cnn": {"width": width}}}},
        *(
            [{"kind": "prune", "params": {"pruning": {"structured": {"ratio": ratio}}}}]
            if pruned
            else []
        ),
    ]
    common = {
        "number": number,
        "params": params,
        "plan": plan,
        "started": 1e9 + 10 * number,
        "finished": 1e9 + 10 * number + 8,
    }
    if number % 11 == 7:
        reason = {
            "stage": "prune",
            "type": "InfeasibleCandidate",
            "text": "nothing left & <b>bold</b>",
        }
        return TrialRecord(state="infeasible", reason=reason, **common)
    if number % 17 == 9:
        reason = {"stage": "pretrain", "type": "RuntimeError", "text": "</script><script>alert(1)"}
        return TrialRecord(state="failed", reason=reason, **common)
    return TrialRecord(
        state="complete",
        values=values,
        measurements=_measured(values, axes),
        violations={"accuracy >= baseline - 3%": 0.92 - values["accuracy"]},
        **common,
    )


@pytest.fixture(name="make_record")
def make_record_fixture() -> MakeRecord:
    """Returns `make_record`."""
    return make_record
