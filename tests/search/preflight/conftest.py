"""A study file with replaced parts, and a module of a user's code next to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from paretune.search.study_file.check import check_info
from paretune.search.study_file.loading import load_study
from support.preflight_studies import STUDY, USER_CODE


@pytest.fixture
def module(tmp_path: Path) -> str:
    """Name of a module of the user's, next to the study; no other test has it."""
    name = f"user_code_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{name}.py").write_text(USER_CODE)
    return name


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., Path]:
    """Returns `study(old, new, ...)`: the file of STUDY with parts replaced."""

    def write(*replaced: str, text: str = STUDY) -> Path:
        for old, new in zip(replaced[::2], replaced[1::2], strict=True):
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        file = tmp_path / "small.yaml"
        file.write_text(text)
        check_info(load_study(file))  # `paretune check` accepts it
        return file

    return write
