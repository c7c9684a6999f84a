"""Storage that cannot be opened is refused with what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from paretune.search.database.engine import decoded, open_engine
from paretune.search.errors import UserError


def test_text_that_is_no_url_is_refused() -> None:
    with pytest.raises(UserError, match=r'storage: "study" is not a database URL; give sqlite, '):
        open_engine("study")


def test_unknown_kind_of_database_is_refused() -> None:
    with pytest.raises(UserError, match="storage: oracular://host/name: no driver for this"):
        open_engine("oracular://host/name")


def test_folder_that_cannot_be_created_is_refused(tmp_path: Path) -> None:
    (tmp_path / "study").write_text("a file, where the folder should be")
    with pytest.raises(UserError, match="study: the study's folder cannot be created: "):
        open_engine(f"sqlite:///{tmp_path / 'study' / 'study.db'}", create=True)


@pytest.mark.parametrize("text", ["{}", "[]", "null", '{"a": [1.5, NaN, "\\u00e9"]}', ' {"b": 2} '])
def test_json_is_decoded_as_by_the_standard_library(text: str) -> None:
    for raw in (text, text.encode()):
        assert repr(decoded(raw)) == repr(json.loads(text))


@pytest.mark.parametrize("text", ["", '{"a": ', "{} {}", "tru"])
def test_text_that_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"line 1 column"):
        decoded(text)
