"""`paretune check --full` and `Study.check` try what a study shares with other hosts."""

from __future__ import annotations

from pathlib import Path

import pytest

import paretune
from paretune.search.interface.cluster import Cluster
from paretune.search.interface.reaching import reached
from paretune.search.study_file.loading import load_study

CLOSED = "127.0.0.1:1"
"""An address where nothing answers."""


def test_shared_folder_is_tried_and_not_begun(tiny: Path) -> None:
    spec = load_study(tiny, ("files=shared",))
    [finding] = reached(spec)
    assert (finding.check, finding.state) == ("files", "ok")
    assert not [each for each in (tiny.parent / "shared").rglob("*") if each.is_file()]


def test_file_in_place_of_the_shared_folder_is_a_mistake(tiny: Path) -> None:
    (tiny.parent / "shared").write_text("a file is no folder")
    [finding] = reached(load_study(tiny, ("files=shared",)))
    assert (finding.check, finding.state, finding.key) == ("files", "mistake", ("files",))


def test_database_that_does_not_answer_is_a_mistake(tiny: Path) -> None:
    pytest.importorskip("psycopg", reason="the extra postgres")
    spec = load_study(tiny, ("files=shared",), storage=f"postgresql://me:sesame@{CLOSED}/studies")
    [finding] = reached(spec)
    assert (finding.check, finding.state) == ("storage", "mistake")
    assert "does not answer" in finding.text
    assert "sesame" not in str(finding)
    assert not (tiny.parent / "shared").exists()


@pytest.mark.parametrize("named", ["option", "environment"])
def test_cluster_that_does_not_answer_is_a_mistake(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    text = "ray" if named == "environment" else f"ray://{CLOSED}"
    if named == "environment":
        monkeypatch.setenv("RAY_ADDRESS", CLOSED)
    [finding] = reached(load_study(tiny), Cluster.named(text))
    assert (finding.check, finding.state) == ("cluster", "mistake")
    assert f"{CLOSED}: nothing answers there" in finding.text


def test_study_on_one_host_has_nothing_to_reach(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", CLOSED)
    assert reached(load_study(tiny)) == []


def test_cluster_of_a_study_in_python_is_refused_before_a_file_is_written(tiny: Path) -> None:
    study = paretune.Study(tiny)
    for act in (study.run, study.check):
        with pytest.raises(paretune.UserError, match="a SQLite file is for one host"):
            act(cluster="ray")
        with pytest.raises(paretune.UserError, match="--cluster: give ray, or ray://HOST:PORT"):
            act(cluster="dask")
    assert [each.name for each in tiny.parent.iterdir()] == [tiny.name]


def test_store_of_an_own_trainer_is_noted(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def evaluate(plan, report):\n    return {'loss': 1.0}\n")
    study = paretune.Study(
        evaluate="mine:evaluate",
        space={"depth": {"int": [1, 4]}},
        objectives={"loss": {"minimize": "fraction"}},
        files="shared",
        folder=tmp_path / "own",
    )
    assert "files: has no effect" in str(study.check())
