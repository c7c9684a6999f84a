"""Where a study lies: by its file, its folder, or the storage that one of them names."""

from __future__ import annotations

from pathlib import Path

import pytest

from paretune.search.errors import UserError
from paretune.search.locate import locate


def test_study_lies_in_the_folder_beside_its_file(tiny: Path) -> None:
    folder = tiny.with_suffix("")
    folder.mkdir()
    found = locate(str(tiny))
    assert found == locate(str(folder))
    assert (found.file, found.folder) == (tiny, folder)
    assert found.url == f"sqlite:///{folder / 'study.db'}"


def test_storage_that_the_file_names_is_taken(tiny: Path) -> None:
    tiny.write_text(tiny.read_text() + "storage: sqlite:///elsewhere.db\n")
    assert locate(str(tiny)).url == "sqlite:///elsewhere.db"
    assert locate(str(tiny), "sqlite:///other.db").url == "sqlite:///other.db"


def test_file_that_is_no_yaml_stands_in_the_way_only_where_it_may_name_a_storage(
    tiny: Path,
) -> None:
    tiny.write_text("a: b: c\n")
    assert locate(str(tiny)).url == f"sqlite:///{tiny.with_suffix('') / 'study.db'}"
    tiny.write_text("a: b: c\nstorage: sqlite:///elsewhere.db\n")
    with pytest.raises(UserError, match="this is no YAML"):
        locate(str(tiny))
