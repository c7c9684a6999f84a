"""`paretune.optimize` refuses what the command refuses, and shows what it prints."""

from __future__ import annotations

from pathlib import Path

import pytest

import paretune
from paretune.search.export.check_results import Verification
from paretune.search.export.exporter import ExportResult
from paretune.search.optimizing.final_choice import final_choice
from paretune.search.optimizing.function import Optimized
from paretune.search.optimizing.optimizer import OptimizeEnd
from paretune.search.study.constraints import read_constraint
from support.optimizing import complete, record_of_trials


def test_mistakes_are_exceptions_with_the_texts_of_the_command(tmp_path: Path) -> None:
    with pytest.raises(paretune.UserError, match="give at least one --goal"):
        paretune.optimize("simple_cnn", "digits", time="1h", output=tmp_path / "out")
    with pytest.raises(paretune.UserError, match="there is no such study file"):
        paretune.optimize(tmp_path / "gone.yaml", goals="latency <= 1 ms", output=tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_end_is_shown_as_text_and_as_json(tmp_path: Path) -> None:
    goals = [read_constraint("latency <= 0.5 x baseline", {"latency": "ms"})]
    record = record_of_trials(complete(1, 0.94, 0.5))
    choice = final_choice(record, goals)
    failed = ExportResult(None, Verification(()))
    end = OptimizeEnd(tmp_path / "s.yaml", record, choice, failed, "the time is over", 61.0)
    shown = Optimized(end)
    assert "the time is over (61 s)" in shown.text()
    assert 'goal "latency <= 0.5 x baseline": met with 0.500 ms (bound 1.00 ms)' in shown.text()
    content = shown.to_json()
    assert content["trial"] == 1 and content["goals"][0]["met"]
    assert content["seconds"] == 61.0


def test_end_without_a_complete_trial_is_no_success(tmp_path: Path) -> None:
    end = OptimizeEnd(tmp_path / "s.yaml", record_of_trials(), None, None, "5 failed", 2.0)
    assert not Optimized(end).ok
    assert "nothing is exported" in Optimized(end).text()
    assert Optimized(end).to_json()["trial"] is None
