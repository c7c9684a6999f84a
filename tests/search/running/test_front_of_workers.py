"""Workers that end trials at the same moment write one front of all trials."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from paretune.objectives.base import Measurement
from paretune.search.database.store import existing_store
from paretune.search.running.runner import Runner
from paretune.search.study.plan import Plan
from paretune.search.study.records import FrontPoint, Result, StudyRecord
from paretune.search.study.stage import Stage
from paretune.search.study_file.loading import load_study
from support.studies import database_of, record_of
from support.trainers import named_trainer

STUDY = """\
study: at_once
evaluate: "TRAINER"
space: {depth: {int: [1, 1000]}}
objectives: {error: minimize, cost: minimize}
search: {trials: 1, seed: 3, sampler: random}
"""


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, other: Mapping[str, float]) -> StudyRecord:
    """Runs one trial, while another worker ends trial 2 with these values."""
    file = folder / "at_once.yaml"
    url = f"sqlite:///{database_of(file)}"

    def evaluate(plan: Mapping[str, Any], report: Any) -> dict[str, float]:
        with existing_store(url) as store:
            made_up = Plan((Stage("train", {"plan": {"depth": 0}}),))
            proposal = {"params": {"depth": 1}, "attributes": {}}
            store.begin(2, "other", made_up, {"depth": 1}, proposal)
            point = FrontPoint(2, 1.0, 0.5, (2,))
            measured = tuple(
                Measurement(name, value, "", "lower", value, value, 1, {})
                for name, value in other.items()
            )
            result = Result("complete", other, measured=measured)
            store.finish(2, result, "h", lambda _: point, "other")
        return {"error": 0.5, "cost": 0.5}

    name = named_trainer(monkeypatch, "trains_at_once", evaluate)
    file.write_text(STUDY.replace("TRAINER", name))
    Runner(load_study(file), lambda event: None).run()
    return record_of(file)


@pytest.mark.parametrize(
    ("other", "members"),
    [
        ({"error": 0.1, "cost": 0.9}, (1, 2)),
        ({"error": 0.1, "cost": 0.1}, (2,)),
        ({"error": 0.9, "cost": 0.9}, (1,)),
    ],
    ids=["both", "other", "here"],
)
def test_front_is_of_all_trials_when_two_workers_end_at_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    other: Mapping[str, float],
    members: tuple[int, ...],
) -> None:
    record = run(tmp_path, monkeypatch, other)
    assert [trial.state for trial in record.trials] == ["complete", "complete"]
    assert sorted(record.growth[-1].members) == list(members)
    assert [trial.number for trial in record.front] == list(members)
