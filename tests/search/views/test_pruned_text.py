"""What pruning removed, in words: what went, and what was asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from paretune.search.study.records import TrialRecord
from paretune.search.views.plan_text import plan_text, trial_plan_text
from paretune.search.views.pruned_text import pruned_lines

PRUNED = {
    "parameters": [1000, 400],
    "macs": [5000, 2350],
    "channels": [112, 80],
    "whole": {"code": "it is sliced", "map": "it is sliced", "tied": "it is used twice"},
}


@pytest.fixture
def trial(make_record: Any) -> TrialRecord:
    return next(t for t in make_record(10).trials if t.number and t.state == "complete")


def pruned(trial: TrialRecord, options: dict[str, Any], amounts: Any = PRUNED) -> TrialRecord:
    plan = [{"kind": "prune", "params": {"pruning": options}}]
    artifact = {"path": "a", "sha256": "0", "bytes": 1, "info": {"pruned": amounts}}
    return replace(trial, plan=plan, artifact=artifact)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"structured": {"ratio": 0.24}}, "pruned 29 %"),
        ({"structured": {"ratio": 0.24, "criterion": "taylor"}}, "pruned 29 % by taylor"),
        ({"structured": {"macs": 0.5, "ratio": None}}, "pruned to 47 % of the MACs"),
        ({"structured": {"ratio": None, "per_layer": {"0": 0.5}}}, "pruned 29 %"),
    ],
    ids=str,
)
def test_plan_text_of_a_trial_tells_what_went(
    trial: TrialRecord, options: dict[str, Any], text: str
) -> None:
    assert trial_plan_text(pruned(trial, options)) == text


def test_plan_text_counts_removed_blocks() -> None:
    plan = [{"kind": "prune", "params": {"pruning": {"depth": {"share": 0.5, "blocks": None}}}}]
    assert plan_text(plan, {"blocks": [3, 2], "channels": [9, 6]}) == "1 block removed"


def test_plan_text_tells_what_is_asked_for_when_nothing_is_known(trial: TrialRecord) -> None:
    asked = replace(pruned(trial, {"structured": {"ratio": 0.24}}), artifact=None)
    assert trial_plan_text(asked) == "pruned 24 %"
    assert pruned_lines(asked) == []


def test_lines_have_both_shares_when_they_differ(trial: TrialRecord) -> None:
    first, *whole = pruned_lines(pruned(trial, {"structured": {"ratio": 0.24, "round_to": 8}}))
    assert first == (
        "pruned: channels 112 -> 80, weights 1,000 -> 400, MACs 5,000 -> 2,350; "
        "asked for 24 % of the channels, 29 % went"
    )
    assert whole == ["kept whole: code, map (it is sliced)", "kept whole: tied (it is used twice)"]


def test_lines_name_round_to_when_no_layer_stays_whole(trial: TrialRecord) -> None:
    rounded = pruned(trial, {"structured": {"ratio": 0.24, "round_to": 8}}, {**PRUNED, "whole": {}})
    assert pruned_lines(rounded)[0].endswith("29 % went (round_to: 8)")


def test_lines_have_one_share_when_it_is_the_same(trial: TrialRecord) -> None:
    [first] = pruned_lines(pruned(trial, {"structured": {"ratio": 0.29}}, {**PRUNED, "whole": {}}))
    assert "asked" not in first
