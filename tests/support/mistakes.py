"""Mistakes in the study file SMALL, and the errors that name them."""

from __future__ import annotations

import re
from pathlib import Path

from support.studies import problems
from support.study_texts import SMALL

NAMES_FOLLOW = "Known: ..."
"""End of an expected text that is followed by the possible names."""


def replace_part(file: Path, old: str, new: str) -> int:
    """Writes SMALL with one part replaced; returns the line where the new part ends."""
    assert SMALL.count(old) == 1
    before, after = SMALL.split(old)
    file.write_text(before + new + after, encoding="utf-8")
    return (before + new).count("\n") + 1 - new.endswith("\n")


def assert_refused(file: Path, old: str, new: str, key: str, text: str) -> None:
    """Asserts that SMALL with one part replaced has one mistake, at this key and its line.

    If the text ends with NAMES_FOLLOW, any list of names may follow, and the name that the error
    suggests must be among them.
    """
    line = replace_part(file, old, new)

    [problem] = problems(file)

    expected = f"{file}:{line}: {key}: {text}"
    if not text.endswith(NAMES_FOLLOW):
        assert problem == expected
        return
    head, _, names = problem.partition(" Known: ")
    assert head == expected.removesuffix(f" {NAMES_FOLLOW}")
    suggested = re.search(r'did you mean "(.*)"', text)
    assert suggested is None or suggested[1] in names.rstrip(".").split(", ")


def assert_override_refused(file: Path, override: str, text: str) -> None:
    """Asserts that a --set option gives one mistake, which begins with the option and the text."""
    [problem] = problems(file, override)

    assert problem.startswith(f"--set {override}: {text}")
