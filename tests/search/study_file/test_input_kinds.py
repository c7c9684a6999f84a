"""Architectures, augmentation and losses that do not fit the task and its data."""

from __future__ import annotations

from typing import Any

import pytest

from paretune.search.study.spec import Selection
from paretune.search.study_file.input_kinds import check_kinds
from paretune.search.study_file.option_names import option_names
from paretune.search.study_file.problems import Problems, StudyFileError
from paretune.spaces.domains import Choice, Fixed, Node, Record

IMAGES, TEXT = "digits", "text"


def option(name: str) -> Record:
    return Record(((name, Record(())),))


def refused(
    data: str, parts: dict[tuple[str, ...], Node], task: str = "classification"
) -> list[str]:
    problems = Problems(lambda key: "x.yaml:1")
    check_kinds(problems, Selection(task, {}), data, parts)
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


@pytest.mark.parametrize(
    ("task", "augment", "expected"),
    [
        ("classification", {"flip": True, "mixup": 0.2}, []),
        ("multilabel", {"flip": True, "cutmix": 0.2}, []),
        ("regression", {"flip": True}, []),
        ("regression", {"mixup": 0.2}, ["mixup: does not change values in step with the images"]),
        ("segmentation", {"flip": True, "crop": 2}, []),
        ("segmentation", {"erase": 0.1}, ["erase: does not change masks in step with the images"]),
        (
            "detection",
            {"flip": True, "mixup": 0.2},
            [
                "flip: does not change boxes in step with the images; leave augment out",
                "mixup: does not change boxes in step with the images; leave augment out",
            ],
        ),
    ],
)
def test_augmentation_is_refused_that_would_part_images_and_targets(
    task: str, augment: dict[str, Any], expected: list[str]
) -> None:
    problems = refused(IMAGES, {("space", "finetune"): Fixed({"augment": augment})}, task)
    problems = [line for line in problems if "augment" in line]
    assert len(problems) == len(expected)
    for line, text in zip(problems, expected, strict=True):
        assert line.startswith(f"space.finetune.augment.{text}")


def test_searched_augmentation_is_refused_by_its_key() -> None:
    domain = Choice((("0", Fixed(0.0)), ("0.2", Fixed(0.2))))
    tree = Record((("augment", Record((("flip", Fixed(False)), ("mixup", domain)))),))
    [problem] = refused(IMAGES, {("space", "finetune"): tree}, "regression")
    assert problem.startswith("space.finetune.augment.mixup: does not change values")


def test_defaults_of_augmentation_are_no_augmentation() -> None:
    operations = Record((("operations", Fixed(0)), ("magnitude", Fixed(9.0))))
    tree = Record((("augment", Record((("randaugment", operations), ("flip", Fixed(False))))),))
    assert refused(IMAGES, {("space", "finetune"): tree}, "detection") == []


@pytest.mark.parametrize(
    ("task", "loss", "expected"),
    [
        ("classification", Fixed({"focal": {}}), None),
        ("classification", option("mse"), "mse compares values; the targets of this task are cl"),
        ("regression", option("huber"), None),
        ("regression", option("python"), None),
        (
            "regression",
            Choice((("l1", option("l1")), ("dice", option("dice")))),
            "dice compares masks or labels; the targets of this task are values; "
            "these fit: mse, l1, huber",
        ),
        ("multilabel", option("cross_entropy"), "the targets of this task are labels; these fit"),
        ("segmentation", option("jaccard"), None),
        ("language_model", option("bce"), "bce compares labels or classes"),
    ],
)
def test_loss_is_refused_that_does_not_fit_the_targets(
    task: str, loss: Node, expected: str | None
) -> None:
    data = TEXT if task == "language_model" else IMAGES
    problems = refused(data, {("baseline", "pretrain"): Record((("loss", loss),))}, task)
    assert len(problems) == (expected is not None)
    if expected:
        assert problems[0].startswith("baseline.pretrain.loss: ")
        assert expected in problems[0]


def test_label_smoothing_is_refused_without_a_cross_entropy() -> None:
    key = ("space", "finetune")
    recipe = Fixed({"label_smoothing": 0.1})
    assert refused(IMAGES, {key: recipe}) == []
    [problem] = refused(IMAGES, {key: recipe}, "regression")
    assert problem.startswith("space.finetune.label_smoothing: changes the cross-entropy")


def test_distillation_of_labels_is_refused_where_there_are_none() -> None:
    both = Choice((("logits", option("logits")), ("decoupled", option("decoupled"))))
    key = ("space", "distillation")
    assert refused(IMAGES, {key: both}) == []
    [problem] = refused(IMAGES, {key: both}, "segmentation")
    assert problem.startswith("space.distillation: decoupled compares classes; the targets of this")
    assert problem.endswith("these fit: logits, hints, attention")
