"""Counts and lists in words."""

from __future__ import annotations

import pytest

from paretune.search.views.words import and_text, count_text, list_text


def test_count_text_has_a_plural_unless_it_counts_one() -> None:
    assert [count_text(n, "trial") for n in (0, 1, 2)] == ["0 trials", "1 trial", "2 trials"]


@pytest.mark.parametrize(
    ("trials", "text"),
    [
        ([26], "26"),
        ([26, 24, 31], "26, 24 and 31"),
        ([0, 7], "the baseline and 7"),
        ([1, 2, 3, 4, 5, 6], "1, 2, 3, 4, 5 and 6"),
        ([1, 2, 3, 4, 5, 6, 7], "1, 2, 3, 4, 5 and 2 more"),
    ],
)
def test_list_text_counts_the_names_beyond_six(trials: list[int], text: str) -> None:
    assert list_text(trials) == text


def test_and_text_joins_the_last_name_by_and() -> None:
    assert and_text(["accuracy", "latency", "size"]) == "accuracy, latency and size"
