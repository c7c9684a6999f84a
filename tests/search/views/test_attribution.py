"""Attribution: measured from the same plan without a technique, else estimated, else unknown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from paretune.objectives.base import Better, Measurement
from paretune.search.study.records import Axis, TrialRecord
from paretune.search.views.attribution import (
    LEAST_EACH,
    LEAST_TRIALS,
    Contribution,
    contributions_of,
)
from paretune.search.views.contribution_text import contribution_lines, contributions_json

AXES = (Axis("accuracy", "fraction", "higher"), Axis("latency", "ms", "lower"))
RECIPE = {"optimizer": {"adam": {"lr": 1e-3}}, "epochs": 5}


def plan(
    width: float = 1.0,
    ratio: float | None = None,
    taught: bool = False,
    fmt: str | None = None,
) -> list[dict[str, Any]]:
    first = {"architecture": {"simple_cnn": {"width": width}}, "checkpoint": None, "recipe": RECIPE}
    stages: list[dict[str, Any]] = [{"kind": "pretrain", "params": first}]
    if ratio is not None:
        params = {"pruning": {"structured": {"ratio": ratio, "round_to": 8}}}
        stages.append({"kind": "prune", "params": params})
    distillation = {"logits": {"temperature": 4.0}} if taught else None
    stages.append({"kind": "finetune", "params": {"recipe": RECIPE, "distillation": distillation}})
    if fmt is not None:
        stages.append({"kind": "quantize", "params": {"quantization": {fmt: {}}}})
    return [*stages, {"kind": "deploy", "params": {"runtime": {"onnxruntime": {}}}}]


def measured(name: str, value: float, unit: str, better: Better, spread: float) -> Measurement:
    half = spread * value
    return Measurement(name, value, unit, better, value - half, value + half, 400, {})


def trial(number: int, stages: list[dict[str, Any]], accuracy: float, ms: float) -> TrialRecord:
    measurements = {
        "accuracy": measured("accuracy", accuracy, "fraction", "higher", 0.005),
        "latency": measured("latency", ms, "ms", "lower", 0.03),
    }
    values = {"accuracy": accuracy, "latency": ms}
    return TrialRecord(number, "complete", {}, stages, values, measurements)


BASELINE = trial(0, [*plan()[:1], *plan()[2:]], 0.95, 2.0)


def truth(width: float, ratio: float | None, taught: bool, fmt: str | None) -> tuple[float, float]:
    """Returns the logit of accuracy and the logarithm of latency without noise."""
    logit = 3.0 + 0.6 * math.log2(width) - 1.2 * (ratio or 0.0) ** 2 + 0.3 * taught
    logit -= 0.25 * (fmt == "static")
    latency = 0.7 + 0.9 * math.log(width) + math.log(1 - 0.9 * (ratio or 0.0))
    return logit, latency - 0.5 * (fmt == "static")


def study(count: int, seed: int, noise: float = 0.03) -> tuple[list[TrialRecord], list[Any]]:
    """Returns random trials and the choices behind them; the first is the baseline."""
    random = np.random.default_rng(seed)
    made, choices = [BASELINE], [(1.0, None, False, None)]
    for number in range(1, count + 1):
        ratio = float(random.uniform(0.1, 0.7)) if random.random() < 0.6 else None
        width = float(random.uniform(0.25, 1.0))  # so that no two plans are equal
        chosen = (width, ratio, bool(random.random() < 0.5), [None, "static"][random.integers(2)])
        logit, latency = (x + noise * random.standard_normal() for x in truth(*chosen))
        made.append(trial(number, plan(*chosen), 1 / (1 + math.exp(-logit)), math.exp(latency)))
        choices.append(chosen)
    return made, choices


def by_name(contributions: Sequence[Contribution]) -> dict[str, Contribution]:
    return {c.technique: c for c in contributions}


def test_contribution_is_the_difference_from_the_same_plan_without_the_technique() -> None:
    with_all = trial(1, plan(0.5, 0.4, True, "static"), 0.94, 0.5)
    unquantized = trial(2, plan(0.5, 0.4, True), 0.945, 1.0)
    untaught = trial(3, plan(0.5, 0.4, False, "static"), 0.91, 0.5)
    result = by_name(contributions_of(with_all, [BASELINE, with_all, unquantized, untaught], AXES))
    assert list(result) == ["architecture", "pruning", "finetuning", "quantization", "distillation"]
    quantization, distillation = result["quantization"], result["distillation"]
    assert (quantization.source, quantization.without) == ("measured", 2)
    assert quantization.text == "static int8"
    assert quantization.effects["latency"].value == pytest.approx(2.0)
    assert quantization.effects["latency"].beyond_noise
    assert not quantization.effects["accuracy"].beyond_noise
    assert (distillation.source, distillation.without) == ("measured", 3)
    assert distillation.effects["accuracy"].value == pytest.approx(0.03)
    assert result["architecture"].text == "simple_cnn width 0.5 instead of simple_cnn width 1"


def test_architecture_is_compared_with_the_baseline_s_under_the_same_plan() -> None:
    small = trial(1, plan(0.5, fmt="static"), 0.93, 0.5)
    same = trial(2, plan(1.0, fmt="static"), 0.95, 1.5)
    [architecture, *_] = contributions_of(small, [BASELINE, small, same], AXES)
    assert (architecture.technique, architecture.without) == ("architecture", 2)
    assert architecture.effects["latency"].value == pytest.approx(3.0)


def test_trial_without_values_or_of_the_same_plan_is_no_counterpart() -> None:
    best = trial(1, plan(fmt="static"), 0.94, 1.0)
    failed = replace(trial(2, plan(), 0.95, 2.0), state="failed", values={}, measurements={})
    repeat = replace(trial(3, plan(), 0.95, 2.0), repeat_of=2)
    result = by_name(contributions_of(best, [BASELINE, best, failed, repeat], AXES))
    assert result["quantization"].source == "unknown"
    assert result["quantization"].note == f"2 complete trials, {LEAST_TRIALS} are needed"


@pytest.mark.parametrize("number", [0, 2])
def test_baseline_and_unfinished_trials_have_no_contributions(number: int) -> None:
    trials = [BASELINE, trial(1, plan(0.5), 0.9, 1), replace(BASELINE, number=2, state="failed")]
    assert contributions_of(trials[number], trials, AXES) == ()


def test_contribution_is_unknown_when_nearly_all_trials_have_the_technique() -> None:
    trials = [BASELINE, *(trial(n, plan(0.5, 0.01 * n), 0.9, 1.0) for n in range(1, 21))]
    result = by_name(contributions_of(trials[5], trials, AXES))
    expected = f"1 of 21 trials are without it, {LEAST_EACH} are needed"
    assert (result["pruning"].source, result["pruning"].note) == ("unknown", expected)
    assert result["pruning"].effects == {}


def test_estimates_agree_with_known_effects() -> None:
    trials, choices = study(60, seed=0)
    inside, errors, signs = [], [], 0
    for index in range(1, 61):
        width, ratio, taught, fmt = choices[index]
        without = {
            "pruning": (width, None, taught, fmt),
            "quantization": (width, ratio, taught, None),
        }
        for name, c in by_name(contributions_of(trials[index], trials, AXES)).items():
            if name not in without or c.source != "estimated":
                continue
            change = c.effects["latency"]
            expected = truth(*without[name])[1] - truth(*choices[index])[1]
            inside.append(math.log(change.low) <= expected <= math.log(change.high))
            errors.append(abs(math.log(change.value) - expected) / expected)
            signs += change.value > 1
    assert len(inside) > 40
    assert np.mean(inside) > 0.85
    assert np.median(errors) < 0.15
    assert signs == len(inside)


def test_noise_alone_gives_contributions_within_noise() -> None:
    random = np.random.default_rng(3)
    trials, _ = study(40, seed=1)
    noisy = [
        replace(t, values={"accuracy": 0.9 + 0.01 * random.standard_normal(), "latency": 1.0})
        for t in trials
    ]
    beyond = [
        c.effects["accuracy"].beyond_noise
        for t in noisy
        for c in contributions_of(t, noisy, AXES)
        if c.source == "estimated"
    ]
    assert len(beyond) > 60
    assert np.mean(beyond) < 0.12


def test_estimate_is_marked_and_names_its_trials() -> None:
    trials, _ = study(30, seed=2)
    pruned = next(t for t in trials if any(s["kind"] == "prune" for s in t.plan))
    lines = contribution_lines(contributions_of(pruned, trials, AXES), AXES)
    estimate = "estimated: no trial has this plan without it; predicted from 31 trials"
    assert any(line.startswith("pruned ") and line.endswith(estimate) for line in lines)
    entries = contributions_json(contributions_of(pruned, trials, AXES), AXES)
    pruning = next(entry for entry in entries if entry["technique"] == "pruning")
    assert [effect["objective"] for effect in pruning["effects"]] == ["accuracy", "latency"]
    assert "faster" in pruning["effects"][1]["text"]


def test_own_trainer_has_no_techniques() -> None:
    own = replace(BASELINE, number=1, plan=[{"kind": "evaluate", "params": {"lr": 0.1}}])
    assert contributions_of(own, [replace(own, number=0), own], AXES) == ()


def test_counterparts_are_read_with_their_measurements() -> None:
    bare = [replace(t, measurements={}) for t in (BASELINE, trial(1, plan(fmt="static"), 0.9, 1))]
    twin = replace(trial(2, plan(), 0.95, 2.0), measurements={})
    full = {1: trial(1, plan(fmt="static"), 0.9, 1), 2: trial(2, plan(), 0.95, 2.0)}
    asked: list[list[int]] = []

    def read(numbers: Any) -> list[TrialRecord]:
        asked.append(list(numbers))
        return [full[number] for number in numbers]

    result = by_name(contributions_of(bare[1], [*bare, twin], AXES, read))
    assert asked == [[1, 2]]
    assert result["quantization"].effects["latency"].value == pytest.approx(2.0)
