"""Renamed keys: the error for an old spelling names the new one."""

from __future__ import annotations

from pathlib import Path

import pytest

from paretune.search.study_file.old_names import NEW_NAMES, suggestion
from support.studies import problems


def override(key: tuple[str, ...]) -> str:
    """Returns a --set option that uses the old spelling."""
    return f"{'.'.join(key)}={'{}' if key[:2] == ('search', 'sampler') and len(key) == 3 else 1}"


@pytest.mark.parametrize("key", NEW_NAMES, ids=".".join)
def test_old_spelling_is_refused_with_the_new_name(tiny: Path, key: tuple[str, ...]) -> None:
    [problem] = problems(tiny, override(key))

    assert f'; did you mean "{NEW_NAMES[key]}"?' in problem
    assert "unknown key" in problem or f'unknown sampler "{key[-1]}"' in problem


def test_old_spelling_is_refused_at_its_line(tiny: Path) -> None:
    tiny.write_text(tiny.read_text().replace("format_variants:", "siblings:"))
    line = tiny.read_text().splitlines().index("search: {trials: 6, seed: 1, siblings: false}") + 1

    [problem] = problems(tiny)

    assert problem.startswith(
        f'{tiny}:{line}: search.siblings: unknown key; did you mean "format_variants"? Known: '
    )


def test_old_sampler_is_refused_when_it_has_no_options(tiny: Path) -> None:
    [problem] = problems(tiny, "search.sampler=evolve")

    assert 'search.sampler: unknown sampler "evolve"; did you mean "evolution"? Known: ' in problem


def test_new_name_is_suggested_before_a_nearer_one() -> None:
    assert suggestion(("search", "structures"), ["structure", "reuse_timings"]) == (
        '; did you mean "reuse_timings"?'
    )


def test_nearest_name_is_suggested_for_a_key_that_was_not_renamed() -> None:
    assert suggestion(("search", "sede"), ["seed", "cache"]) == '; did you mean "seed"?'
    assert suggestion(("space", "siblings"), ["pruning"]) == ""
