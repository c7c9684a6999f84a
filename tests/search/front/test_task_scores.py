"""The front of a study whose score is no fraction: near the baseline, and values below 0."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from paretune.objectives.base import Measurement
from paretune.search.front.highlights import highlights_of, near_text, score_axis
from paretune.search.front.pareto import to_losses
from paretune.search.study.records import Axis, FrontPoint, StudyRecord, TrialRecord

RMSE = Axis("rmse", "mm", "lower", scored=True)
LATENCY = Axis("latency", "ms", "lower")
HAMMING = Axis("hamming", "fraction", "lower", scored=True)
ACCURACY = Axis("accuracy", "fraction", "higher")


def record(axis: Axis, scores: list[float], latencies: list[float]) -> StudyRecord:
    """Returns a study whose trials are all on the front; the first is the baseline."""
    trials = []
    for number, (score, latency) in enumerate(zip(scores, latencies, strict=True)):
        values = {axis.name: score, "latency": latency}
        measured = {
            a.name: Measurement(
                a.name, values[a.name], a.unit, a.better, values[a.name], values[a.name]
            )
            for a in (axis, LATENCY)
        }
        trials.append(TrialRecord(number, "complete", {}, [], values, measured))
    growth = (FrontPoint(len(trials) - 1, 0.0, 0.5, tuple(range(len(trials)))),)
    return StudyRecord("study", {}, (axis, LATENCY), tuple(trials), growth)


@pytest.mark.parametrize(
    ("axis", "scores", "text"),
    [
        (RMSE, [2.0, 2.019, 2.03], "fastest within 1 %"),
        (HAMMING, [0.1, 0.109, 0.12], "fastest within 1 point"),
        (Axis("psnr", "dB", "higher", scored=True), [30.0, 29.71, 29.5], "fastest within 1 %"),
        (Axis("reward", "", "higher", scored=True), [-5.0, -5.04, -5.2], "fastest within 1 %"),
        (ACCURACY, [0.9, 0.891, 0.88], "fastest within 1 point"),
    ],
)
def test_fastest_trial_near_the_baseline_is_marked(
    axis: Axis, scores: list[float], text: str
) -> None:
    marks = {h.text: h.trial for h in highlights_of(record(axis, scores, [3.0, 2.0, 1.0]))}
    assert marks[text] == 1


def test_first_score_of_the_task_decides() -> None:
    r2 = Axis("r2", "fraction", "higher", scored=True)
    assert score_axis([LATENCY, RMSE, r2]) == RMSE
    assert score_axis([LATENCY, r2, RMSE]) == r2
    assert score_axis([Axis("error", "fraction", "lower"), LATENCY]) is None
    assert (near_text(RMSE), near_text(r2)) == ("within 1 %", "within 1 point")


@pytest.mark.parametrize("better", ["lower", "higher"])
@pytest.mark.parametrize("base", [-2.0, 2.0])
def test_loss_orders_values_as_the_objective_does_around_zero(better: str, base: float) -> None:
    axis = Axis("reward", "", better)  # type: ignore[arg-type]
    values = [-9.0, -2.5, -2.0, -1.0, 0.0, 1.0, 2.0, 9.0]
    losses = [float(to_losses({"reward": v}, [axis], {"reward": base}, None)[0][0]) for v in values]
    ordered = losses if better == "lower" else losses[::-1]
    assert all(a <= b for a, b in pairwise(ordered))
    assert losses[values.index(base)] == 1.0
    assert math.isfinite(losses[values.index(9.0)])
