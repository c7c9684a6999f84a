"""Mistakes are collected, and reported together."""

from __future__ import annotations

import pytest

from paretune.search.study_file.problems import Problems, StudyFileError


@pytest.fixture
def noted() -> Problems:
    return Problems(lambda key: f"x.yaml:{len(key)}")


def lines_of(noted: Problems) -> list[str]:
    with pytest.raises(StudyFileError) as error:
        noted.raise_any()
    assert str(error.value) == "\n".join(error.value.problems)
    return list(error.value.problems)


def test_nothing_is_raised_when_there_is_no_mistake(noted: Problems) -> None:
    noted.raise_any()

    assert len(noted) == 0


def test_all_mistakes_are_raised_in_order_and_once(noted: Problems) -> None:
    noted.add(("a", "b"), "is wrong")
    noted.add((), "is not a mapping")
    noted.add(("a", "b"), "is wrong")

    assert len(noted) == 2
    assert lines_of(noted) == ["x.yaml:2: a.b: is wrong", "x.yaml:0: is not a mapping"]


@pytest.mark.parametrize(
    ("name", "names", "owner", "text"),
    [
        ("sed", ["seed", "cache"], "", 'unknown key; did you mean "seed"? Known: seed, cache.'),
        ("xyz", ["seed"], "sgd", "unknown key for sgd. Known: seed."),
        ("xyz", [], "adam", "unknown key for adam. Known: none."),
    ],
)
def test_unknown_key_names_the_nearest_and_all(
    noted: Problems, name: str, names: list[str], owner: str, text: str
) -> None:
    noted.unknown_key(("a", name), names, owner)

    assert lines_of(noted) == [f"x.yaml:2: a.{name}: {text}"]
