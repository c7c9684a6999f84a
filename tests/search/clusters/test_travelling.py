"""The study file, the user's modules and the files that it names travel to the nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from paretune.search.clusters import travelling
from paretune.search.clusters.travelling import pack
from paretune.search.errors import UserError
from paretune.search.study_file.loading import load_study

STUDY = """\
study: away
evaluate: "away_trainer:evaluate"
space: {depth: {int: [1, 4]}, table: {choice: [tables/small.csv, none]}}
objectives: {error: {minimize: fraction}}
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "away_trainer.py").write_text("from away_parts import loss\nevaluate = loss.f\n")
    (tmp_path / "away_parts").mkdir()
    (tmp_path / "away_parts" / "__init__.py").write_text("")
    (tmp_path / "away_parts" / "loss.py").write_text("def f(plan, report): ...\n")
    (tmp_path / "unused.py").write_text("")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "small.csv").write_text("1,2\n")
    (tmp_path / "away").mkdir()  # the study's own folder
    (tmp_path / "away" / "study.db").write_text("")
    file = tmp_path / "away.yaml"
    file.write_text(STUDY)
    return file


def test_study_file_modules_and_named_files_travel(study: Path, tmp_path: Path) -> None:
    folder = tmp_path / "packed"
    assert pack(load_study(study), folder) == folder / "away.yaml"
    packed = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    assert packed == [
        "away.yaml",
        "away_parts/__init__.py",
        "away_parts/loss.py",
        "away_trainer.py",
        "tables/small.csv",
    ]


def test_files_that_are_too_large_are_refused_by_name(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(travelling, "MOST_BYTES", 100)
    (study.parent / "tables" / "small.csv").write_bytes(b"1" * 1000)
    with pytest.raises(UserError, match=r"mostly tables/small\.csv.*absolute path"):
        pack(load_study(study), tmp_path / "packed")


def test_path_out_of_the_study_folder_is_refused(study: Path, tmp_path: Path) -> None:
    (tmp_path / "away" / "inner.yaml").write_text(
        STUDY.replace("tables/small.csv", "../tables/small.csv")
    )
    with pytest.raises(UserError, match=r"\.\./tables/small\.csv lies outside the study's folder"):
        pack(load_study(tmp_path / "away" / "inner.yaml"), tmp_path / "packed")
