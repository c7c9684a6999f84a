"""Runs with plans to try first: they come first, once, also with workers and after an end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paretune.search.database.engine import open_engine
from paretune.search.database.store import Store, existing_store
from paretune.search.running.opening import open_study
from paretune.search.running.worker import Worker
from paretune.search.sampling.hints import HINT, Hints
from paretune.search.sampling.proposer import Proposer
from paretune.search.study.records import TrialRecord
from paretune.search.study_file.loading import load_study
from support.studies import url_of

STUDY = """\
study: firsts
evaluate: "firsts_trainer:evaluate"
baseline: {width: 9, rate: 0.5}
space: {width: {int: [1, 99]}, rate: {float: [0, 1]}}
objectives: {error: minimize, size: minimize}
first: [{width: 7, rate: 0.25}, {rate: 0.75}, {width: 9, rate: 0.5}]
"""

CODE = """\
def evaluate(plan, report):
    return {"error": plan["rate"] / plan["width"], "size": float(plan["width"])}
"""


def study(folder: Path, sampler: str = "random") -> Path:
    (folder / "firsts_trainer.py").write_text(CODE)
    file = folder / "firsts.yaml"
    file.write_text(STUDY + f"search: {{sampler: {sampler}, seed: 5}}\n")
    return file


def trials_of(file: Path) -> list[TrialRecord]:
    with existing_store(url_of(file)) as store:
        return list(store.record().trials)


def hints_of(file: Path) -> list[str]:
    """Returns the keys of the hints that trials have tried, in order of the trials."""
    with existing_store(url_of(file)) as store:
        rows = store.rows(range(store.last_number() + 1))
    return [row["proposal"][HINT] for row in rows if HINT in row["proposal"]]


@pytest.mark.parametrize("sampler", ["random", "evolution", "tpe", "nsga2"])
def test_first_plans_are_the_first_trials(tmp_path: Path, cli: Any, sampler: str) -> None:
    file = study(tmp_path, sampler)
    assert cli("run", file, "--trials", 4).code == 0
    params = [trial.params for trial in trials_of(file)]
    assert params[1] == {"width": 7, "rate": 0.25}
    assert params[2]["rate"] == 0.75
    assert len(params) == 5, "they count; the baseline's plan is not tried again"
    assert len(hints_of(file)) == 2


def test_no_first_plan_is_lost_or_repeated_over_several_runs(tmp_path: Path, cli: Any) -> None:
    file, whole = study(tmp_path), tmp_path / "whole"
    whole.mkdir()
    for trials in (1, 2, 4):
        assert cli("run", file, "--trials", trials).code == 0
    assert cli("run", study(whole), "--trials", 4).code == 0
    assert [t.params for t in trials_of(file)] == [t.params for t in trials_of(whole / file.name)]
    assert len(set(hints_of(file))) == len(hints_of(file)) == 2


def test_first_plan_that_is_added_later_is_tried_next(tmp_path: Path, cli: Any) -> None:
    file = study(tmp_path)
    assert cli("run", file, "--trials", 3).code == 0
    file.write_text(file.read_text().replace("first: [", "first: [{width: 55}, "))
    assert cli("run", file, "--trials", 5).code == 0
    trials = trials_of(file)
    assert trials[4].params["width"] == 55
    assert len(hints_of(file)) == 3


def test_first_plan_of_a_killed_worker_is_taken_over(tmp_path: Path, cli: Any) -> None:
    file = study(tmp_path)
    spec = load_study(file)
    store = Store(open_engine(spec.storage, create=True))
    with Worker(store) as killed:
        opened = open_study(spec)
        opened.register()
        hint = Hints(spec.first, spec.space, None, spec.seed).next(lambda _: False)
        assert hint is not None and opened.baseline is not None
        store.begin(0, killed.id, opened.baseline, {}, {"params": {}, "attributes": {}})
        proposal = Proposer(spec).suggest(1, hint)
        plan = opened.plan(proposal.choices)
        store.begin_next(1, killed.id, plan, proposal.params, proposal.to_json())
        opened.close()
    assert cli("run", file, "--trials", 3).code == 0
    trials = trials_of(file)
    assert [t.state for t in trials] == ["complete"] * 4
    assert trials[1].params == {"width": 7, "rate": 0.25}
    assert trials[2].params["rate"] == 0.75
    assert len(set(hints_of(file))) == len(hints_of(file)) == 2


@pytest.mark.slow
def test_each_first_plan_is_tried_once_by_several_workers(tmp_path: Path, cli: Any) -> None:
    file = study(tmp_path)
    plans = ", ".join(f"{{width: {width}}}" for width in range(10, 30))
    file.write_text(file.read_text().replace("first: [", f"first: [{plans}, "))
    assert cli("run", file, "--trials", 30, "--workers", 3).code == 0
    keys = hints_of(file)
    assert len(set(keys)) == len(keys) == 22
    trials = trials_of(file)
    assert {t.number for t in trials if t.repeat_of is not None} == set()
    assert set(range(10, 30)) <= {t.params["width"] for t in trials[1:24]}
