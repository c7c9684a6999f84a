"""The section `space` in the text of a study file is replaced; all other lines stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from paretune.search.optimizing.study_text import with_space
from paretune.search.study_file.document import read_document
from support.optimizing import SPACE

TEXT = """\
# A study.
study: s
data: digits  # built in

# What may change.
space:
  pruning: none   # nothing

  quantization: static

# The deployed file.
runtime: onnxruntime
"""


def test_space_is_replaced_and_other_lines_stay(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(with_space(TEXT, SPACE, ["ratio: 0.1 .. 0.5 becomes 0.2 .. 0.7"]))
    text = file.read_text()
    assert read_document(file).data["space"] == SPACE
    assert text.startswith("# A study.\nstudy: s\ndata: digits  # built in\n\n# What may change.\n")
    assert text.endswith("\n\n# The deployed file.\nruntime: onnxruntime\n")
    assert "nothing" not in text


def test_reasons_stand_above_the_space_and_are_replaced() -> None:
    once = with_space(TEXT, SPACE, ["first"])
    assert "# What may change.\n#: first\nspace:" in once
    twice = with_space(once, SPACE, ["second", "third"])
    assert "#: first" not in twice
    assert "#: second\n#: third\nspace:" in twice


def test_section_at_the_end_is_replaced() -> None:
    assert with_space("study: s\nspace: {}\n", {"pruning": "none"}, []) == (
        "study: s\nspace:\n  pruning: none\n"
    )


def test_text_without_the_section_is_an_error() -> None:
    with pytest.raises(ValueError, match="no line that begins with space:"):
        with_space("{space: {}}", {}, [])
