"""How scores that are no fraction are shown: on test, and their difference in per cent."""

from __future__ import annotations

import numpy as np
import pytest
from rich.console import Console

from paretune.objectives.base import Measurement
from paretune.objectives.example_results import ExampleResults
from paretune.search.front.changes import Change, change
from paretune.search.study.records import Axis, FrontPoint, StudyRecord, TrialRecord
from paretune.search.views.change_text import difference_text, within_text
from paretune.search.views.front_columns import headings_of
from paretune.search.views.front_table import front_info
from paretune.search.views.front_text import front_view
from paretune.search.views.headline import answer_text
from paretune.search.views.trial_comparison import comparison_lines

RMSE = Axis("rmse", "mm", "lower", scored=True)
SIZE = Axis("size", "bytes", "lower")
REWARD = Axis("reward", "", "higher", scored=True)


def rmse(factor: float, noise: float = 0.1, seed: int = 1) -> Measurement:
    """Returns a mean of 200 errors around `factor`, paired with others."""
    errors = np.abs(np.random.default_rng(0).normal(2, 0.6, 200)) * factor
    errors = errors + np.random.default_rng(seed).normal(0, noise, 200)
    value, half = float(errors.mean()), 1.96 * float(errors.std()) / 200**0.5
    results = ExampleResults.of_values(errors, "examples")
    return Measurement(
        "rmse", value, "mm", "lower", value - half, value + half, 200, per_example=results
    )


def size(value: float) -> Measurement:
    return Measurement("size", value, "bytes", "lower", value, value)


def study() -> StudyRecord:
    base, smaller = rmse(1.0, seed=2), rmse(1.005, seed=3)
    measured = [
        {"rmse": base, "size": size(8000.0)},
        {"rmse": smaller, "size": size(2000.0)},
    ]
    trials = tuple(
        TrialRecord(
            number,
            "complete",
            {},
            [],
            {name: m.value for name, m in m_by_name.items()},
            m_by_name,
            {"rmse": m_by_name["rmse"]},
        )
        for number, m_by_name in enumerate(measured)
    )
    growth = (FrontPoint(1, 0.0, 0.5, (0, 1)),)
    return StudyRecord("study", {}, (RMSE, SIZE), trials, growth)


def test_difference_is_in_per_cent_of_the_baseline_with_its_interval() -> None:
    worse = change(rmse(1.1), rmse(1.0, seed=2))
    assert worse.paired
    assert difference_text(worse, RMSE) == "+9.7 ±0.9 %"
    near = change(rmse(1.001), rmse(1.0, seed=2))
    assert difference_text(near, RMSE).startswith("≈")
    same = change(rmse(1.0), rmse(1.0))
    assert difference_text(same, RMSE) == "same"


def test_sign_is_that_of_the_values_whatever_is_better() -> None:
    twice = Change("test", True, 2.0, 1.9, 2.1)  # twice as good
    assert difference_text(twice, RMSE).startswith("-50")
    assert difference_text(twice, Axis("psnr", "dB", "higher", scored=True)).startswith("+100")


def test_difference_of_a_score_that_may_be_negative_is_in_its_unit() -> None:
    lower = Change("test", False, -0.5, -0.8, -0.2)
    assert difference_text(lower, REWARD) == "-0.5 ±0.3"
    assert within_text(lower, REWARD.unit) == "within ±0.8"


def test_headings_of_a_score_are_those_of_accuracy() -> None:
    assert headings_of([RMSE, SIZE]) == ["rmse", "on test", "vs base", "size", "smaller"]
    assert headings_of([Axis("error", "mm", "lower")]) == ["error", "better in error"]


def test_front_shows_the_score_on_test_and_its_difference() -> None:
    console = Console(width=150)
    with console.capture() as capture:
        console.print(front_view(front_info(study()), 150))
    text = " ".join(capture.get().split())
    assert "trial rmse on test vs base size smaller" in text
    assert "vs base: difference from the baseline in per cent, on the same examples." in text
    assert "rmse: on 200 validation and 200 test examples." in text
    assert "smallest within 1 %" in text


def test_answer_says_what_the_score_costs() -> None:
    text = answer_text(front_info(study()))
    assert text.startswith("Trial 1 is 4.0x smaller than the baseline, for 0.")
    assert "% more rmse on the test part (" in text or "% less rmse on the test part (" in text
    assert "mm, 200 examples" in text


def test_comparison_of_a_score_is_in_per_cent() -> None:
    base, trial = study().trials
    lines = comparison_lines(trial, base)
    assert lines[0].startswith("rmse on test")
    assert "% (" in lines[0]


@pytest.mark.parametrize("unit", ["fraction"])
def test_fractions_stay_in_points(unit: str) -> None:
    axis = Axis("miou", unit, "higher", scored=True)
    assert difference_text(Change("test", False, -0.005, -0.009, -0.001), axis) == "-0.5 ±0.4"
