"""Where a study comes from, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import paretune
from paretune.search.interface.study_source import overrides_of, time_text

SECTIONS: dict[str, Any] = {"evaluate": "mine:evaluate", "objectives": {"error": "minimize"}}


def message(*arguments: Any, **options: Any) -> str:
    with pytest.raises(paretune.UserError) as error:
        paretune.Study(*arguments, **options)
    return str(error.value)


def test_file_and_folder_lead_to_the_same_study(tiny: Path) -> None:
    folder = tiny.with_suffix("")
    folder.mkdir()
    assert paretune.Study(tiny).folder == paretune.Study(str(folder)).folder == folder


def test_database_leads_to_its_study(finished: Path) -> None:
    study = paretune.Study(finished.with_suffix("") / "study.db")
    assert study.folder == finished.with_suffix("")
    assert len(study.trials) == 7


def test_database_of_another_name_is_read(finished: Path) -> None:
    copy = finished.with_suffix("") / "copy.sqlite"
    shutil.copy(copy.with_name("study.db"), copy)
    copy.with_name("study.db").unlink()
    assert len(paretune.Study(copy).trials) == 7


def test_folder_of_sections_is_beside_the_study_file_that_it_would_have(tmp_path: Path) -> None:
    study = paretune.Study(SECTIONS, folder=tmp_path / "net.v2")
    assert study.folder == tmp_path / "net.v2"
    assert study.name == "net.v2"


def test_name_of_sections_is_their_folder_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert paretune.Study(SECTIONS, study="plates").folder == tmp_path / "plates"


def test_missing_study_is_refused(tmp_path: Path) -> None:
    text = message(tmp_path / "none.yaml")
    assert text.endswith(
        "there is no such study file, and no such folder; paretune init writes a first study file"
    )


def test_file_with_sections_is_refused(tiny: Path) -> None:
    text = message(tiny, space={}, folder="x")
    assert "space, folder come together; give a study file or sections" in text
    assert 'set={"search.seed": 1}' in text


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"spaces": {}, "folder": "x"}, "Study: unknown section spaces; did you mean"),
        ({"folder": "x"}, "Study: give a study file"),
        ({}, "Study: give a study file"),
        (SECTIONS, "Study: give the folder that keeps its trials: folder="),
    ],
)
def test_sections_that_are_no_study_are_refused(options: dict[str, Any], text: str) -> None:
    assert message(**options).startswith(text)


def test_mapping_with_a_section_that_is_a_keyword_too_is_refused() -> None:
    text = message({"space": {}}, space={}, folder="x")
    assert text == "Study: space is in the mapping and a keyword; give it once"


def test_anything_else_is_refused() -> None:
    assert message(3).startswith("Study: give a study file, a folder or a mapping of sections")


def test_mistakes_in_sections_name_the_key(tmp_path: Path) -> None:
    study = paretune.Study(
        data="digits",
        baseline={"architecture": "simple_cnn", "pretrain": {"epochs": 1}},
        space={"pruning": {"structured": {"ratoi": 0.5}}},
        objectives={"accuracy": "maximize"},
        folder=tmp_path / "x",
    )
    with pytest.raises(paretune.UserError) as error:
        study.check()
    assert "Study: space.pruning.structured.ratoi: unknown key" in str(error.value)
    assert 'did you mean "ratio"?' in str(error.value)


def test_set_replaces_values_of_a_file_and_of_sections(tiny: Path, tmp_path: Path) -> None:
    assert "seed 9" in str(paretune.Study(tiny, set={"search.seed": 9}).check())
    assert "seed 9" in str(paretune.Study(tiny, set=["search.seed=9"]).check())
    with pytest.raises(paretune.UserError, match=r"--set nothing: give a key and a value"):
        paretune.Study(tiny, set="nothing").check()


def test_study_without_a_run_says_what_to_type(tiny: Path) -> None:
    study = paretune.Study(tiny)
    for read in (
        lambda: study.front,
        study.status,
        lambda: study.pick("knee"),
        lambda: study.trials[0],
        lambda: len(study.trials),
        lambda: study.plot("front"),
        lambda: study.rounds,
    ):
        with pytest.raises(paretune.UserError, match=r"tiny"):
            read()


def test_overrides_are_those_of_the_command_line() -> None:
    assert overrides_of({"a.b": {"c": [1]}, "d": None}) == ('a.b={"c": [1]}', "d=null")
    assert overrides_of(["a=1"]) == ("a=1",)
    assert overrides_of("a=1") == ("a=1",)


@pytest.mark.parametrize(("time", "text"), [("30m", "30m"), (90, "90s"), (0.5, "1s"), (None, None)])
def test_time_is_text_or_seconds(time: Any, text: str | None) -> None:
    assert time_text(time) == text
