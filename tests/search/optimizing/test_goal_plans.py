"""First plans of a model, and what `init` noted for the rounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from paretune.search.optimizing.goal_plans import goal_plans
from paretune.search.optimizing.survey_notes import SurveyNotes, tried_parts
from paretune.search.optimizing.time_plan import TrialTime
from paretune.search.starting.facts import TriedOption
from paretune.search.study.constraints import read_constraint
from support.start_facts import FACTS

UNITS = {"latency": "ms", "size": "B", "accuracy": "fraction"}
SPACE: dict[str, Any] = {
    "architecture": {"simple_cnn": {"width": {"choice": [0.25, 0.5, 1.0]}}},
    "pruning": {"choice": {"none": {}, "structured": {"ratio": {"float": [0.1, 0.8]}}}},
    "finetune": {"epochs": 5},
    "quantization": {"choice": {"none": {}, "static": {}}},
}
HALF = {"architecture.simple_cnn.width": 0.5}
FULL = {"architecture.simple_cnn.width": 1.0}


def tried(section: str, option: str, time: float, **params: Any) -> TriedOption:
    return TriedOption(section, option, params, None, time, 0.95 * time, 1.05 * time, time)


TRIED = (
    tried("architecture", "simple_cnn", 0.2, width=0.25),
    tried("architecture", "simple_cnn", 0.4, width=0.5),
    tried("pruning", "structured", 0.3, ratio=0.5),
    tried("pruning", "depth", 0.1, share=1.0),
    tried("quantization", "static", 0.7),
    tried("quantization", "float16", 0.1),
)
MODEL = replace(FACTS, tried=TRIED, latency=2.0, size=1000)


def plans(*goals: str) -> list[dict[str, Any]]:
    return goal_plans(SPACE, MODEL, [read_constraint(goal, UNITS) for goal in goals])


def test_first_plans_reach_the_goal_with_the_fewest_changes() -> None:
    network, pruned, *_ = plans("latency <= 0.5 x baseline", "accuracy >= baseline - 1%")
    assert network == {**HALF, "pruning": "none", "quantization": "none"}
    assert pruned == {
        **FULL,
        "pruning": "structured",
        "pruning.structured.ratio": 0.5,
        "quantization": "none",
    }


def test_first_plans_combine_options_when_one_does_not_suffice() -> None:
    [first, *_] = plans("latency <= 0.32 ms")  # 0.16 x baseline
    assert first == {
        "architecture.simple_cnn.width": 0.25,
        "pruning": "none",
        "quantization": "static",
    }


def test_first_plans_have_each_way_to_a_smaller_network() -> None:
    space = {
        **SPACE,
        "architecture": {
            "unet": {
                "width": {"choice": [8, 16]},
                "kind": {"choice": ["separable", "plain"]},
            }
        },
    }
    networks = (
        tried("architecture", "unet", 0.4, width=8),
        tried("architecture", "unet", 0.3, kind="separable"),
        *TRIED[2:],
    )
    goal = read_constraint("latency <= 0.5 x baseline", UNITS)
    first, second, third = goal_plans(space, replace(MODEL, tried=networks), [goal])
    names = ("architecture.unet.width", "architecture.unet.kind", "pruning")
    assert [first[name] for name in names] == [8, "plain", "none"]
    assert [second[name] for name in names] == [16, "separable", "none"]
    assert [third[name] for name in names] == [16, "plain", "structured"]


def test_no_plan_comes_first_when_options_cannot_reach_the_goal_or_need_not() -> None:
    assert plans("latency <= 0.01 x baseline") == []
    assert plans("accuracy >= baseline - 1%") == []
    assert plans("latency <= 2 x baseline") == []


def test_notes_hold_until_a_tried_part_changes() -> None:
    source = {"study": "s", "space": SPACE, "search": {"trials": 4}}
    notes = SurveyNotes(tried_parts(source), TrialTime(1.0, 2.0, 3.0), 9, "its layer", (HALF,))
    assert SurveyNotes.from_json(notes.to_json()) == notes
    assert notes.holds_for({**source, "search": {"trials": 4, "seed": 1}})
    assert not notes.holds_for({**source, "space": {**SPACE, "pruning": "none"}})
