"""Reads study files and their databases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paretune.search.database.store import existing_store
from paretune.search.study.records import StudyRecord
from paretune.search.study_file.loading import load_study
from paretune.search.study_file.problems import StudyFileError


def database_of(file: Path) -> Path:
    """Returns the SQLite file of a study file."""
    return file.with_suffix("") / "study.db"


def url_of(file: Path) -> str:
    """Returns the storage URL of a study file's database."""
    return f"sqlite:///{database_of(file)}"


def record_of(file: Path) -> StudyRecord:
    """Returns the record in the database of a study file."""
    with existing_store(url_of(file)) as store:
        return store.record()


def problems(file: Path, *overrides: str, **options: Any) -> list[str]:
    """Returns the problems for which a study file is refused."""
    with pytest.raises(StudyFileError) as error:
        load_study(file, overrides, **options)
    assert str(error.value) == "\n".join(error.value.problems)
    return list(error.value.problems)
