"""`run NEW --from OLD`: what fits is taken once, and nothing of the other study changes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from paretune.search.database.engine import open_engine
from paretune.search.database.origins import Origins
from paretune.search.database.store import existing_store
from paretune.search.errors import UserError
from paretune.search.running import taking_over
from paretune.search.running.first_plans import plans_to_try_first
from paretune.search.running.origin import OriginStudy
from paretune.search.running.taking_over import TakenOver
from paretune.search.study.partial_assignment import AssignmentError
from paretune.search.study.records import TrialRecord
from paretune.search.study_file.loading import load_study
from paretune.spaces.domains import Choice, Float, Int, Record
from support.studies import url_of
from support.study_texts import TINY

STUDY = """\
study: NAME
evaluate: "taking_trainer:evaluate"
space: {width: {int: [1, 99]}, rate: {float: [0, HIGH]}}
objectives: {error: minimize, size: minimize}
search: {sampler: random, seed: SEED}
"""

CODE = """\
def evaluate(plan, report):
    return {"error": plan["rate"] / plan["width"], "size": float(plan["width"])}
"""


def study(folder: Path, name: str, seed: int, high: float = 1.0) -> Path:
    (folder / "taking_trainer.py").write_text(CODE)
    file = folder / f"{name}.yaml"
    text = STUDY.replace("NAME", name).replace("SEED", str(seed)).replace("HIGH", str(high))
    file.write_text(text)
    return file


def trials_of(file: Path) -> list[TrialRecord]:
    with existing_store(url_of(file)) as store:
        return list(store.record().trials)


def content(folder: Path) -> dict[str, Any]:
    """Returns file -> digest and time of all files of a study."""
    return {
        path.name: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def front_of(file: Path) -> list[dict[str, Any]]:
    with existing_store(url_of(file)) as store:
        return [dict(trial.params) for trial in store.record().front]


@pytest.mark.parametrize("spelling", ["file", "folder", "database", "url"])
def test_plans_of_the_other_front_are_tried_first(tmp_path: Path, cli: Any, spelling: str) -> None:
    old, new = study(tmp_path, "old", 1), study(tmp_path, "new", 2)
    assert cli("run", old, "--trials", 6).code == 0
    named = {
        "file": old,
        "folder": old.with_suffix(""),
        "database": old.with_suffix("") / "study.db",
        "url": url_of(old),
    }[spelling]
    before, front = content(old.with_suffix("")), front_of(old)
    output = cli("run", new, "--from", named, "--trials", len(front) + 1)
    assert output.code == 0, output.err
    plans = f"{len(front)} plan{'s' if len(front) > 1 else ''} to try first"
    assert f"from {named}: {plans} taken over" in output.out.replace("\n", " ")
    params = [dict(trial.params) for trial in trials_of(new)]
    assert params[: len(front)] == front
    assert params[len(front)] not in front
    assert content(old.with_suffix("")) == before


def test_same_command_takes_nothing_twice(tmp_path: Path, cli: Any) -> None:
    old, new = study(tmp_path, "old", 1), study(tmp_path, "new", 2)
    assert cli("run", old, "--trials", 5).code == 0
    assert cli("run", new, "--from", old, "--trials", 1).code == 0
    output = cli("run", new, "--from", old, "--trials", 5)
    assert "nothing new to take over" in output.out
    keys = [str(trial.params) for trial in trials_of(new)]
    assert len(set(keys)) == len(keys)
    front = front_of(old)
    assert [dict(trial.params) for trial in trials_of(new)[: len(front)]] == front, (
        "the plans are kept, also for a run without --from"
    )


@pytest.mark.slow
def test_plans_outside_the_new_space_are_told(tmp_path: Path, cli: Any) -> None:
    old, new = study(tmp_path, "old", 1), study(tmp_path, "new", 2, high=1e-6)
    assert cli("run", old, "--trials", 4).code == 0
    output = cli("run", new, "--from", old, "--trials", 1)
    text = " ".join(output.out.split())
    assert "outside this space (trial" in text
    assert "rate: must be from 0 to 1e-06" in text


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("missing.yaml", "there is no such study file"),
        ("new.yaml", "names this study itself"),
        ("empty.yaml", "that study has no trial yet"),
        ("empty.db", "that study has no trial yet"),
        ("sqlite:///nowhere.db", "that study has no trial yet"),
    ],
)
def test_study_that_cannot_be_taken_from_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, rule: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.yaml").write_text("study: empty\n")
    new = study(tmp_path, "new", 1)
    database = new.with_suffix("") / "study.db"
    database.parent.mkdir()
    database.touch()
    with pytest.raises(UserError, match=rule):
        OriginStudy.of(text, url_of(new))


def test_summary_names_counts_seconds_and_reasons() -> None:
    taken = TakenOver(2, 65.4, 1, 3, {7: "rate: must be from 0 to 1, got 2"})
    assert taken.lines("old.yaml") == [
        "from old.yaml: 2 trained stages (65 s of training), 1 artifact, 3 plans to try first "
        "taken over",
        "1 plan of its front is outside this space (trial 7: rate: must be from 0 to 1, got 2)",
    ]


@pytest.mark.slow
def test_trained_stages_and_artifacts_are_taken_over(tmp_path: Path, cli: Any) -> None:
    old, new, other = (tmp_path / f"{name}.yaml" for name in ("old", "new", "other"))
    old.write_text(TINY.replace("study: tiny", "study: old"))
    new.write_text(TINY.replace("study: tiny", "study: new").replace("[0.1, 0.5]", "[0.1, 0.6]"))
    other.write_text(TINY.replace("study: tiny", "study: other").replace("seed: 1", "seed: 2"))
    assert cli("run", old, "--trials", 3).code == 0
    before = content(old.with_suffix(""))
    output = cli("run", new, "--from", old, "--trials", 1)
    assert output.code == 0, output.err
    assert "trained stages" in output.out and "artifacts" in output.out
    base, first = trials_of(new)[:2]
    assert {"pretrain"} <= set(base.cached), "the baseline is not trained again"
    assert {"pretrain", "finetune"} <= set(first.cached)
    same = next(trial for trial in trials_of(old) if trial.plan == first.plan)
    assert first.artifact is not None and same.artifact is not None
    assert first.artifact["sha256"] == same.artifact["sha256"]
    assert first.values["accuracy"] == same.values["accuracy"]
    assert content(old.with_suffix("")) == before
    assert "nothing new" in cli("run", new, "--from", old, "--trials", 1).out

    damaged = next((old.with_suffix("") / "stages").glob("*.safetensors"))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    output = cli("run", other, "--from", old, "--trials", 1)
    assert output.code == 0, output.err
    text = " ".join(output.out.split())
    assert "none of its trained stages fits" in text and "artifact" not in text.split("taken")[0]


def test_taken_plans_that_left_the_space_are_not_tried(tmp_path: Path) -> None:
    spec = load_study(study(tmp_path, "new", 2, high=0.5))
    engine = open_engine(spec.storage, create=True)
    Origins(engine).add("old", [{"width": 3, "rate": 0.9}, {"width": 4, "rate": 0.4}])
    Origins(engine).add("old", [{"width": 4, "rate": 0.4}, {"width": 5}])
    assert plans_to_try_first(spec, engine) == [{"width": 4, "rate": 0.4}, {"width": 5}]
    engine.dispose()


def test_plan_keeps_what_the_other_study_had_fixed() -> None:
    pruning = Choice(
        (
            ("structured", Record((("structured", Record((("ratio", Float(0.1, 0.5)),))),))),
            ("none", Record((("none", Record(())),))),
        )
    )
    recipe = Record((("epochs", Int(1, 5)), ("rate", Float(0, 1))))
    space = Record((("width", Int(1, 9)), ("pruning", pruning), ("finetune", recipe)))
    old = {
        "width": {"int": [1, 99], "log": False, "step": 1},
        "pruning": {"none": {}},
        "finetune": {"epochs": 3, "rate": 0.5},
    }
    plan = taking_over._plan_here({"width": 4}, old, space)
    assert plan == {"width": 4, "pruning": "none", "finetune.epochs": 3, "finetune.rate": 0.5}
    del old["pruning"], old["finetune"]
    assert taking_over._plan_here({"width": 4}, old, space) == {"width": 4}
    with pytest.raises(AssignmentError, match="from 1 to 9, got 40"):
        taking_over._plan_here({"width": 40}, old, space)
