"""Error texts for exceptions of the user's code."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from paretune.raised import raised_text


def text_of(call: Callable[[], object]) -> str:
    with pytest.raises(Exception) as caught:
        call()
    return raised_text(caught.value)


def module_of(source: str, folder: Path) -> ModuleType:
    file = folder / "plates.py"
    file.write_text(source)
    module = ModuleType("plates")
    exec(compile(source, str(file), "exec"), module.__dict__)
    return module


def test_text_names_the_line_of_the_users_code(tmp_path: Path) -> None:
    module = module_of("def score():\n    return {}['boxes']\n", tmp_path)

    assert text_of(module.score) == "KeyError: 'boxes' (plates.py, line 2)"


def test_text_names_the_users_line_rather_than_that_of_a_library(tmp_path: Path) -> None:
    module = module_of("import json\n\ndef score():\n    json.loads('{')\n", tmp_path)

    assert text_of(module.score).endswith("(char 1) (plates.py, line 4)")
    assert json.__name__ in sys.modules


def test_text_names_the_users_line_when_its_folder_has_the_name_of_the_package(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "paretune"
    folder.mkdir()

    assert text_of(module_of("def score():\n    1 / 0\n", folder).score).endswith(
        "(plates.py, line 2)"
    )


def test_text_has_one_line_for_a_syntax_error() -> None:
    text = text_of(lambda: compile("x = (", "plates.py", "exec"))

    assert text == "SyntaxError: '(' was never closed (plates.py, line 1)"
