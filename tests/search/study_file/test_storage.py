"""The URL of a study's database."""

from __future__ import annotations

from pathlib import Path

import pytest

from paretune.search.study_file.storage import storage_url


@pytest.mark.parametrize(
    ("storage", "url"),
    [
        ("sqlite", "sqlite:////a/b/study.db"),
        ("sqlite:///x.db", "sqlite:///x.db"),
        ("postgres://me@host/db", "postgresql+psycopg://me@host/db"),
        ("postgresql://me@host/db", "postgresql+psycopg://me@host/db"),
        ("postgresql+psycopg://me@host/db", "postgresql+psycopg://me@host/db"),
    ],
)
def test_storage_url_is_valid_for_sqlalchemy(storage: str, url: str) -> None:
    assert storage_url(storage, Path("/a/b")) == url
