"""Targets of every task: their forms, and the message for every mistake."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from paretune.search.data.target_rows import TargetRows
from paretune.search.data.targets import (
    BoxTargets,
    box_problem,
    checked_targets,
    refuse_bad_boxes,
)
from paretune.search.errors import UserError
from paretune.search.tasks.target_facts import TargetKind

BOXES = [{"boxes": [[0, 0, 2, 3]], "labels": [1]}, {"boxes": [], "labels": []}]


@pytest.mark.parametrize(
    ("kind", "targets", "shape", "dtype"),
    [
        ("values", np.arange(2), (2, 1), np.float32),
        ("values", np.arange(6.0).reshape(2, 3), (2, 3), np.float32),
        ("labels", np.array([[True, False], [False, False]]), (2, 2), np.float32),
        ("labels", np.array([[1, 0], [0, 1]]), (2, 2), np.float32),
        ("mask", np.zeros((2, 3, 4), dtype=np.int64), (2, 3, 4), np.uint8),
        ("mask", np.full((2, 3, 4), 300), (2, 3, 4), np.int64),
        ("mask", np.zeros((2, 3, 4), dtype=bool), (2, 3, 4), np.uint8),
        ("mask", np.zeros((2, 1, 3, 4)), (2, 3, 4), np.uint8),
        ("mask", np.zeros((2, 3, 4, 1)), (2, 3, 4), np.uint8),
        ("next", np.zeros((2, 5), dtype=np.int32), (2, 5), np.int64),
    ],
)
def test_targets_are_accepted_in_every_form(
    kind: TargetKind, targets: np.ndarray, shape: tuple[int, ...], dtype: Any
) -> None:
    checked = checked_targets("data: x", "train", targets, 2, kind)

    assert isinstance(checked, np.ndarray)
    assert checked.shape == shape
    assert checked.dtype == dtype


def test_boxes_are_accepted_as_dicts_and_as_one_padded_array() -> None:
    padded = np.array([[[0, 0, 2, 3, 1], [0, 0, 0, 0, -1]], [[0, 0, 0, 0, -1]] * 2])

    listed = checked_targets("data: x", "train", BOXES, 2, "boxes")
    from_array = checked_targets("data: x", "train", padded, 2, "boxes")

    for targets in (listed, from_array):
        assert isinstance(targets, BoxTargets)
        assert [boxes.tolist() for boxes in targets.boxes] == [[[0, 0, 2, 3]], []]
        assert [labels.tolist() for labels in targets.labels] == [[1], []]
        assert targets.boxes[1].shape == (0, 4)
    assert listed.tobytes() == from_array.tobytes()


@pytest.mark.parametrize(
    ("kind", "targets", "message"),
    [
        ("values", np.array(["a", "b"]), "targets are <U1; give numbers for each example"),
        ("values", np.zeros((2, 3, 4)), r"targets of shape \[2, 3, 4\]; give numbers"),
        ("values", np.zeros(3), "2 examples and 3 targets; give one for each"),
        ("values", np.array([1, np.nan]), "targets of example 1 are not finite"),
        ("values", np.array([np.inf, 1]), "targets of example 0 are not finite"),
        ("values", np.array([1e300, 1]), "beyond the range of float32; give smaller units"),
        ("labels", np.array([[1, 0], [0.5, 1]]), "example 1 has label value 0.5; give 0 or 1"),
        ("labels", np.array([1, 0]), r"targets of shape \[2\]; give 0 or 1 for each label"),
        ("mask", np.zeros((2, 3)), r"targets of shape \[2, 3\]; give a class for each pixel"),
        ("mask", np.full((2, 3, 4), 0.5), "masks are float64; give a class for each pixel"),
        ("boxes", np.zeros((2, 3, 4)), r"targets of shape \[2, 3, 4\]; give for each example"),
        ("boxes", np.full((2, 1, 5), 0.5), "example 0 has a box without a class"),
        ("boxes", BOXES[:1], "2 examples and 1 targets; give for each example"),
        ("boxes", [1, 2], "target of example 0 is a int; give for each example"),
        ("boxes", [{"boxes": [1, 2, 3], "labels": []}, BOXES[1]], "boxes of example 0: cannot"),
        ("boxes", [{"boxes": [[0, 0, 1, 1]], "labels": []}, BOXES[1]], "1 boxes and labels of"),
        ("boxes", [{"boxes": [[0, 0, 1, 1]], "labels": [-1]}, BOXES[1]], "give integers from 0"),
        ("next", np.zeros((2, 5)), "the next tokens are float64; give integers"),
    ],
)
def test_targets_are_refused_with_the_reason(kind: TargetKind, targets: Any, message: str) -> None:
    with pytest.raises(UserError, match=f"^data: x: train: .*{message}"):
        checked_targets("data: x", "train", targets, 2, kind)


@pytest.mark.parametrize(
    ("box", "problem"),
    [
        ((0, 0, 5, 4), None),
        ((-1, -1, 6, 5), None),
        ((3, 0, 1, 4), "is inverted"),
        ((1, 2, 1, 4), "is empty"),
        ((0, 0, 7, 4), "lies outside of the image"),
        ((0, 0, np.nan, 4), "is not finite"),
    ],
)
def test_box_must_be_a_box_in_its_image(box: Any, problem: str | None) -> None:
    assert box_problem(np.array(box), (4, 5)) == problem


def test_bad_box_is_refused_with_its_corners_and_the_size_of_its_image() -> None:
    message = (
        r"a.jpg: box 1 \(xmin 3, ymin 0, xmax 1, ymax 4\) is inverted; .* width 5 and height 4"
    )
    with pytest.raises(UserError, match=message):
        refuse_bad_boxes("a.jpg", np.array([[0, 0, 1, 1], [3, 0, 1, 4]]), (4, 5))


def test_rows_of_masks_are_wide_and_those_of_boxes_are_dicts() -> None:
    import torch

    masks = TargetRows(np.zeros((3, 2, 2), dtype=np.uint8))
    boxes = TargetRows(checked_targets("data: x", "train", BOXES, 2, "boxes"))

    assert masks[torch.tensor([0, 2])].dtype == torch.int64
    [one] = boxes[torch.tensor([0])]
    assert one["boxes"].tolist() == [[0, 0, 2, 3]]
    assert one["labels"].dtype == torch.int64
    assert len(boxes[slice(0, 5)]) == 2
