"""Studies are found below folders; each has a name that is safe in addresses."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from paretune.search.errors import UserError
from paretune.search.serving.study_index import find_studies, refuse_no_study
from support.made_up_study import MadeUpStudy


def made(folder: Path, name: str = "made-up") -> MadeUpStudy:
    folder.mkdir(parents=True, exist_ok=True)
    study = MadeUpStudy(folder, 2, name)
    study.close()
    return study


def test_all_studies_below_a_folder_are_listed_by_path(tmp_path: Path) -> None:
    made(tmp_path / "a" / "deep")
    made(tmp_path / "b")
    entries = find_studies([tmp_path])
    assert [entry.label for entry in entries] == ["a/deep/made-up", "b/made-up"]
    assert [entry.id for entry in entries] == ["a-deep-made-up", "b-made-up"]
    assert [entry.error for entry in entries] == [None, None]
    assert entries[0].file == tmp_path / "a" / "deep" / "made-up.yaml"


def test_file_and_folder_of_a_study_are_the_same_study(tmp_path: Path) -> None:
    study = made(tmp_path)
    paths = [study.file, study.database.parent, tmp_path]
    assert [entry.id for entry in find_studies(paths)] == ["made-up"]


def test_broken_database_is_listed_with_its_error(tmp_path: Path) -> None:
    made(tmp_path)
    for name, content in {
        "text": b"hello" * 100,
        "half": b"SQLite format 3\0" + b"x" * 500,
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "study.db").write_bytes(content)
    errors = {entry.id: entry.error for entry in find_studies([tmp_path])}
    assert errors["made-up"] is None
    assert all("cannot be read" in str(errors[name]) for name in ("text", "half"))


def test_database_of_another_program_is_left_out_unless_it_is_named_like_a_study(
    tmp_path: Path,
) -> None:
    made(tmp_path)
    (tmp_path / "x").mkdir()
    for name in ("other.db", "x/study.db"):
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            connection.execute("CREATE TABLE bookmarks (id INTEGER)")
    (tmp_path / "notes.db").write_text("no database at all")
    entries = {entry.label: entry.error for entry in find_studies([tmp_path])}
    assert set(entries) == {"made-up", "x"}
    assert "no Paretune study" in str(entries["x"])


def test_study_with_a_strange_name_has_a_safe_id(tmp_path: Path) -> None:
    made(tmp_path, "ü <script> & '..'")
    made(tmp_path, "ü -script- & '..'")
    entries = find_studies([tmp_path])
    assert len({entry.id for entry in entries}) == 2
    for entry in entries:
        assert entry.id.replace("-", "").isalnum() and entry.id.isascii()


def test_hidden_folders_links_and_stages_are_not_searched(tmp_path: Path) -> None:
    made(tmp_path / "outside")
    made(tmp_path / "inside")
    made(tmp_path / "inside" / ".hidden")
    made(tmp_path / "inside" / "stages")
    (tmp_path / "inside" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "inside" / "loop").symlink_to(tmp_path / "inside")
    assert [entry.label for entry in find_studies([tmp_path / "inside"])] == ["made-up"]


def test_study_that_was_not_run_is_listed_with_the_command(tmp_path: Path) -> None:
    file = tmp_path / "new.yaml"
    file.write_text("study: new\n")
    [entry] = find_studies([file])
    assert "paretune run" in str(entry.error)


def test_folder_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no study below this folder; give a study file"):
        refuse_no_study([tmp_path], find_studies([tmp_path]))


def test_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such study file, and no such folder"):
        find_studies([tmp_path / "gone"])
