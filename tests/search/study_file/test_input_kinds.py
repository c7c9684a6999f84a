"""Architectures and augmentation that do not fit the data."""

from __future__ import annotations

from typing import Any

import pytest

from paretune.search.study_file.input_kinds import check_kinds, option_names
from paretune.search.study_file.problems import Problems, StudyFileError
from paretune.spaces.domains import Choice, Fixed, Node, Record

IMAGES, TEXT = "digits", "text"


def option(name: str) -> Record:
    return Record(((name, Record(())),))


def refused(data: str, parts: dict[tuple[str, ...], Node]) -> list[str]:
    problems = Problems(lambda key: "x.yaml:1")
    check_kinds(problems, data, parts)
    try:
        problems.raise_any()
    except StudyFileError as error:
        return [line.removeprefix("x.yaml:1: ") for line in error.problems]
    return []


def test_option_names_include_those_of_all_branches() -> None:
    tree = Choice((("a", option("simple_cnn")), ("b", Fixed({"resnet": {}}))))

    assert list(option_names(tree)) == ["simple_cnn", "resnet"]
    assert list(option_names(Fixed(None))) == []


def test_architecture_is_refused_when_it_takes_other_inputs() -> None:
    both = Choice((("a", option("simple_cnn")), ("b", option("text_transformer"))))
    key = ("space", "architecture")

    [for_images] = refused(IMAGES, {key: both})
    [for_text] = refused(TEXT, {key: both})

    assert for_images.startswith("space.architecture: ") and "text_transformer" in for_images
    assert for_text.startswith("space.architecture: ") and "simple_cnn" in for_text


@pytest.mark.parametrize(
    ("recipe", "changes"),
    [
        (Fixed(None), False),
        (Fixed({"epochs": 1}), False),
        (Record((("epochs", Fixed(1)),)), False),
        (Record((("augment", Record((("flip", Fixed(False)),))),)), False),
        (Record((("augment", Record((("flip", Fixed(True)),))),)), True),
        (Fixed({"augment": {"flip": True}}), True),
    ],
)
def test_augmentation_is_refused_when_the_data_is_text(recipe: Any, changes: bool) -> None:
    key = ("space", "finetune")
    text = "space.finetune.augment: changes images, but the data is text; leave augment out"

    assert refused(TEXT, {key: recipe}) == [text] * changes
    assert refused(IMAGES, {key: recipe}) == []
