"""A study is found by its file or its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from paretune.search.errors import UserError
from paretune.search.locate import locate


def test_study_file_and_study_folder_locate_the_same_study(tiny: Path) -> None:
    folder = tiny.with_suffix("")
    folder.mkdir()
    location = locate(str(tiny))
    assert location == locate(str(folder))
    assert (location.file, location.folder) == (tiny, folder)
    assert location.url == f"sqlite:///{folder / 'study.db'}"


def test_storage_of_the_file_is_used_unless_the_option_replaces_it(tiny: Path) -> None:
    tiny.write_text(tiny.read_text() + "storage: sqlite:///elsewhere.db\n")
    assert locate(str(tiny)).url == "sqlite:///elsewhere.db"
    assert locate(str(tiny), "sqlite:///other.db").url == "sqlite:///other.db"


def test_invalid_yaml_is_an_error_only_if_the_file_may_name_a_storage(tiny: Path) -> None:
    tiny.write_text("a: b: c\n")
    assert locate(str(tiny)).url == f"sqlite:///{tiny.with_suffix('') / 'study.db'}"
    tiny.write_text("a: b: c\nstorage: sqlite:///elsewhere.db\n")
    with pytest.raises(UserError, match="this is not YAML"):
        locate(str(tiny))
