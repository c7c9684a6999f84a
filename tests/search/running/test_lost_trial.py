"""A worker drops the result of a trial that another worker has taken over."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from paretune.search.database.store import existing_store
from paretune.search.running.runner import Runner
from paretune.search.study_file.loading import load_study
from paretune.search.trial.events import Event, Notice, TrialEnded
from support.studies import database_of, record_of
from support.trainers import named_trainer

STUDY = """\
study: lost
evaluate: "TRAINER"
space: {depth: {int: [1, 1000]}}
objectives: {error: minimize, cost: minimize}
search: {trials: 3, seed: 3, sampler: random}
"""


def test_result_of_a_trial_that_was_taken_over_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "lost.yaml"
    url = f"sqlite:///{database_of(file)}"
    plans: list[int] = []

    def evaluate(plan: Mapping[str, Any], report: Any) -> dict[str, float]:
        plans.append(plan["depth"])
        if len(plans) == 2:  # a worker takes the trial over, and dies at once
            with existing_store(url) as store:
                [running] = store.running()
                assert store.take_over(running["number"], running["worker"], "dead")
            return {"error": 0.0, "cost": 0.0}  # would be the whole front
        return {"error": plan["depth"] / 1000, "cost": 1 / plan["depth"]}

    name = named_trainer(monkeypatch, "trains_what_is_lost", evaluate)
    file.write_text(STUDY.replace("TRAINER", name))
    events: list[Event] = []
    Runner(load_study(file), events.append).run()

    texts = [event.text for event in events if isinstance(event, Notice)]
    assert sum("trial 2 went on in another worker" in text for text in texts) == 1
    assert plans[1] == plans[2], "the trial of the dead worker is taken over"
    ended = [event for event in events if isinstance(event, TrialEnded)]
    assert [(event.trial, event.done) for event in ended] == [(1, 1), (2, 2), (3, 3)]
    record = record_of(file)
    assert [trial.state for trial in record.trials] == ["complete"] * 3
    assert record.trials[1].values == {"error": plans[2] / 1000, "cost": 1 / plans[2]}
    assert [trial.number for trial in record.front] == [1, 2, 3], "no trial dominates another"
    assert sorted(record.growth[-1].members) == [1, 2, 3]
