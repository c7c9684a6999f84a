"""What the error for a study that does not exist proposes."""

from __future__ import annotations

from pathlib import Path

import pytest

from paretune.search.study_file.missing_file import missing_study


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("frist.yaml", 'there is no such study file; did you mean "first.yaml"?'),
        ("first", 'there is no such study file; did you mean "first.yaml"?'),
        ("first.yml", 'there is no such study file; did you mean "first.yaml"?'),
        ("studies/secnd.yaml", 'there is no such study file; did you mean "studies/second.yml"?'),
        ("studies/other.yaml", "there is no such study file; paretune init writes a first study"),
        ("study/other.yaml", "there is no such study file; there is no folder study"),
    ],
)
def test_error_names_a_similar_study_or_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    (tmp_path / "first.yaml").touch()
    (tmp_path / "first.json").touch()
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "second.yml").touch()
    monkeypatch.chdir(tmp_path)
    assert str(missing_study(name)).startswith(f"{name}: {text}")


def test_other_names_of_a_study_stay_in_the_error(tmp_path: Path) -> None:
    error = missing_study(tmp_path / "none", "study file, and no such folder")
    assert "there is no such study file, and no such folder; " in str(error)
