"""Studies of several folders in one process, each with its own modules."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from paretune.search.user_code import add_import_folders, resolve, study_folder
from paretune.search.user_code.folders import FolderConflict, study_at_work

NAME = "module_of_two_studies"


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    made = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / f"{NAME}.py").write_text(f"VALUE = {name!r}\n")
        (folder / f"only_in_{name}_of_two.py").write_text("VALUE = 0\n")
        made.append(folder)
    yield made[0], made[1]
    for name in (NAME, "only_in_a_of_two", "only_in_b_of_two"):
        sys.modules.pop(name, None)


def test_each_study_gets_its_own_module_of_a_name(folders: tuple[Path, Path]) -> None:
    values = []
    for folder in (*folders, *folders):
        add_import_folders(folder)
        values.append(resolve(f"{NAME}:VALUE"))
    assert values == ["a", "b", "a", "b"]
    assert study_folder() == folders[1]


def test_module_of_one_folder_only_stays_imported(folders: tuple[Path, Path]) -> None:
    add_import_folders(folders[0])
    resolve("only_in_a_of_two:VALUE")
    module = sys.modules["only_in_a_of_two"]
    add_import_folders(folders[1])
    assert sys.modules["only_in_a_of_two"] is module


def test_module_is_the_same_object_when_its_study_comes_back(folders: tuple[Path, Path]) -> None:
    add_import_folders(folders[0])
    resolve(f"{NAME}:VALUE")
    module = sys.modules[NAME]
    add_import_folders(folders[1])
    resolve(f"{NAME}:VALUE")
    add_import_folders(folders[0])
    assert sys.modules[NAME] is module


def test_packages_make_way_with_their_modules(folders: tuple[Path, Path]) -> None:
    for folder in folders:
        (folder / "package_of_two").mkdir()
        for module in ("__init__", "inner"):
            (folder / "package_of_two" / f"{module}.py").write_text(f"VALUE = {folder.name!r}\n")
    values = []
    for folder in (*folders, folders[0]):
        add_import_folders(folder)
        values += [resolve("package_of_two.inner:VALUE"), resolve("package_of_two:VALUE")]
    assert values == ["a", "a", "b", "b", "a", "a"]
    for name in ("package_of_two", "package_of_two.inner"):
        sys.modules.pop(name, None)


def test_second_study_is_refused_when_the_first_is_at_work_with_a_module_of_the_name(
    folders: tuple[Path, Path],
) -> None:
    with study_at_work(folders[0]):
        resolve(f"{NAME}:VALUE")
        refused = pytest.raises(FolderConflict, match=f"has its own module {NAME}")
        with refused, study_at_work(folders[1]):
            pass
        assert resolve(f"{NAME}:VALUE") == "a"
    with study_at_work(folders[1]):
        assert resolve(f"{NAME}:VALUE") == "b"
