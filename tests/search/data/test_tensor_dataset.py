"""Arrays that are no pixels, and targets that are no classes: from an .npz file to batches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from paretune.inputs import Tokens
from paretune.search.data import load_data
from paretune.search.data.dataset import Dataset
from paretune.search.data.image_dataset import ImageDataset
from paretune.search.data.tensor_dataset import TensorDataset
from paretune.search.errors import UserError
from paretune.search.tasks import TaskChoice

WriteNpz = Callable[..., Path]
N = 40
CLASSES = np.arange(N) % 4


@pytest.fixture
def load(write_npz: WriteNpz) -> Callable[..., Dataset]:
    """Loads arrays x and y for a task; other keywords are options, or further arrays."""

    def loaded(task: str, x: Any, y: Any = None, ignore: Any = None, **more: Any) -> Dataset:
        arrays = {k: v for k, v in more.items() if isinstance(v, np.ndarray)}
        options = {k: v for k, v in more.items() if k not in arrays}
        named = {"x_train": x, **({} if y is None else {"y_train": y}), **arrays}
        file = write_npz(**named)
        params = {} if ignore is None else {"ignore": ignore}
        choice = TaskChoice(task, params)
        return load_data("npz", {"file": file.name, **options}, file.parent, task=choice)

    return loaded


def floats(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(N, *shape))


@pytest.mark.parametrize(
    ("x", "shape"),
    [
        (floats(20), (20,)),
        (floats(3, 16).astype(np.float16), (3, 16)),
        (floats(1, 6, 9).astype(np.float32), (1, 6, 9)),
        (floats(2, 3, 4, 5), (2, 3, 4, 5)),
        (floats(), (1,)),
        (np.arange(N * 5).reshape(N, 5), (5,)),
        (np.arange(N * 12, dtype=np.int16).reshape(N, 3, 4) - 200, (3, 4)),
        (np.random.default_rng(0).random((N, 6)), (6,)),
        (floats(6, 9, 3), (3, 6, 9)),
    ],
)
def test_tensors_keep_their_values(
    load: Callable[..., Dataset], x: np.ndarray, shape: tuple[int, ...]
) -> None:
    data = load("classification", x, CLASSES)

    assert isinstance(data, TensorDataset)
    assert data.shape == shape
    assert data.classes == 4
    inputs, labels = next(data.batches("train", 99))
    assert inputs.dtype == torch.float32
    assert labels.dtype == torch.int64
    rows = [int(np.flatnonzero(label == CLASSES)[0]) for label in labels[:1]]
    turned = x.transpose(0, 3, 1, 2) if shape == (3, 6, 9) else x
    candidates = turned.reshape(N, -1).astype(np.float32)
    assert any(np.array_equal(inputs[0].numpy().ravel(), row) for row in candidates)
    assert rows


def test_images_that_are_channels_last_are_turned_unless_they_are_tensors(
    load: Callable[..., Dataset],
) -> None:
    turned = load("classification", floats(6, 9, 3), CLASSES)
    kept = load("classification", floats(6, 9, 3), CLASSES, inputs="tensors")

    assert turned.shape == (3, 6, 9)
    assert turned.notes[0].startswith("The inputs are taken as [N, H, W, C] and turned to")
    assert kept.shape == (6, 9, 3)
    assert kept.notes == ()


def test_guess_of_pixels_can_be_overruled(load: Callable[..., Dataset]) -> None:
    x = np.random.default_rng(0).random((N, 3, 16))

    guessed = load("classification", x, CLASSES)
    tensors = load("classification", x, CLASSES, inputs="tensors")

    assert isinstance(guessed, ImageDataset)
    assert guessed.shape == (1, 3, 16)
    assert isinstance(tensors, TensorDataset)
    assert tensors.shape == (3, 16)
    with pytest.raises(UserError, match=r"train: images are float64 from -.* give uint8"):
        load("classification", floats(3, 16), CLASSES, inputs="pixels")


def test_floats_beyond_0_and_1_in_one_part_make_all_parts_tensors(
    load: Callable[..., Dataset],
) -> None:
    x = np.random.default_rng(0).random((N, 3, 16))

    data = load("classification", x, CLASSES, x_test=x[:8] + 0.1, y_test=CLASSES[:8])

    assert isinstance(data, TensorDataset)


def test_floats_up_to_255_are_kept_and_the_user_is_told(load: Callable[..., Dataset]) -> None:
    x = np.random.default_rng(0).integers(0, 256, (N, 3, 8, 8)).astype(float)

    [note, *_] = load("classification", x, CLASSES).notes

    assert note.startswith("The inputs are floats from 0 to 255 and are taken as they are.")


@pytest.mark.parametrize(
    ("normalize", "shape"), [("feature", (3, 16)), ("channel", (3, 1)), ("none", None)]
)
def test_normalization_is_measured_on_the_training_part(
    load: Callable[..., Dataset], normalize: str, shape: Any
) -> None:
    x = floats(3, 16) * np.array([1, 10, 0])[:, None] + np.array([5, -50, 7])[:, None]

    data = load("classification", x, CLASSES, normalize=normalize)

    preprocessing = data.preprocessing()
    inputs = torch.cat([batch for batch, _ in data.batches("train", 16)])
    raw = np.concatenate([batch for batch, _ in data.examples("train", 16)])
    if shape is None:
        assert preprocessing["mean"] is preprocessing["std"] is None
        assert np.array_equal(inputs.numpy(), raw)
        return
    mean, std = (np.array(preprocessing[key], dtype=np.float32) for key in ("mean", "std"))
    assert mean.shape == std.shape == shape
    assert np.array_equal(inputs.numpy(), (raw - mean) / std)
    axes = (0,) if normalize == "feature" else (0, 2)
    assert inputs.numpy().mean(axes) == pytest.approx(0, abs=1e-5)
    assert inputs[:, :2].numpy().std(axes) == pytest.approx(1, abs=1e-5)
    assert inputs[:, 2].abs().max() < 1e-5  # a constant channel stays constant


def test_range_of_spectrograms_is_that_of_each_channel(load: Callable[..., Dataset]) -> None:
    data = load("classification", floats(2, 6, 9), CLASSES, inputs="tensors")
    inputs = torch.cat([batch for batch, _ in data.batches("train", 16)])

    assert data.black() == tuple(inputs.amin((0, 2, 3)).tolist())
    assert data.white() == tuple(inputs.amax((0, 2, 3)).tolist())
    assert load("classification", floats(20), CLASSES).black() == ()


def test_tokens_have_a_length_and_a_vocabulary(load: Callable[..., Dataset]) -> None:
    x = np.random.default_rng(0).integers(0, 50, (N, 7))

    data = load("classification", x, CLASSES, vocabulary=50)

    assert data.shape == Tokens(7, 50)
    inputs, _ = next(data.batches("train", 4))
    assert inputs.dtype == torch.int64
    assert data.input_json() == {"dtype": "int64", "shape": ["batch", 7]}
    assert next(data.calibration(3, 8)).shape == (3, 7)


@pytest.mark.parametrize("stated", [True, False])
def test_next_tokens_are_the_tokens_shifted_by_one(
    load: Callable[..., Dataset], stated: bool
) -> None:
    x = np.random.default_rng(0).integers(0, 50, (N, 7))

    data = (
        load("language_model", x[:, :-1], x[:, 1:], vocabulary=50)
        if stated
        else load("language_model", x, vocabulary=50)
    )

    assert data.shape == Tokens(6, 50)
    assert data.task.outputs.size == 50
    inputs, targets = next(data.batches("train", 99))
    assert torch.equal(inputs[:, 1:], targets[:, :-1])
    assert len(inputs) + data.size("validation") + data.size("test") == N


def test_regression_labels_and_masks_come_with_pixels(load: Callable[..., Dataset]) -> None:
    x = np.random.default_rng(0).integers(0, 256, (N, 8, 9, 3), dtype=np.uint8)
    labels = np.stack([CLASSES > 1, CLASSES == 0], 1)
    masks = (x.mean(3) > 128).astype(np.int64)

    values = load("regression", x, x.mean((1, 2, 3)))
    several = load("multilabel", x, labels)
    pixels = load("segmentation", x, masks)

    assert isinstance(values, ImageDataset)
    assert values.task.outputs.size == 1
    assert values.counts("train") == []
    assert next(values.batches("test", 3))[1].shape == (3, 1)
    assert several.task.outputs.size == 2
    assert sum(several.counts(part)[1] for part in ("train", "validation", "test")) == N // 4
    assert pixels.task.outputs.size == 2
    assert sum(pixels.counts("test")) == pixels.size("test") * 72
    inputs, targets = next(pixels.batches("train", 5, seed=1))
    raw = inputs.numpy() * np.array(pixels.preprocessing()["std"])[:, None, None]
    raw += np.array(pixels.preprocessing()["mean"])[:, None, None]
    assert ((raw.mean(1) * 255 > 128) == targets.numpy()).mean() > 0.99
    assert pixels.info()["targets"] == {"kind": "mask", "size": 2}
    assert "classes" not in pixels.info()


def test_masks_and_boxes_follow_the_resize(load: Callable[..., Dataset]) -> None:
    x = np.random.default_rng(0).integers(0, 256, (N, 8, 12), dtype=np.uint8)
    masks = np.zeros((N, 8, 12), dtype=np.uint8)
    masks[:, 2:4, 6:] = 1
    corners = [[6, 2, 12, 4, 1], [0, 0, 2, 2, 0], [4, 0, 8, 8, 0]]
    boxes = np.tile(np.array([corners]), (N, 1, 1))

    pixels = load("segmentation", x, masks, resize=[4, 6], crop=[4, 4])
    found = load("detection", x, boxes, resize=[4, 6], crop=[4, 4])

    _, targets = next(pixels.batches("train", 2))
    assert targets.shape == (2, 4, 4)
    assert targets[0].tolist() == [[0] * 4, [0, 0, 1, 1], [0] * 4, [0] * 4]
    _, listed = next(found.batches("train", 2))
    assert listed[0]["boxes"].tolist() == [[2, 1, 4, 2], [1, 0, 3, 4]]
    assert listed[0]["labels"].tolist() == [1, 0]
    assert "40 boxes lie outside of the crop and are left out." in found.notes
    assert found.facts is not None
    assert found.facts.image == (4, 4)
    assert found.counts("train") == [found.size("train")] * 2


def test_fingerprint_depends_on_inputs_targets_and_normalization(
    load: Callable[..., Dataset],
) -> None:
    x, y = floats(5), np.arange(N) / 7
    same = [load("regression", x, y).fingerprint for _ in range(2)]
    others = [
        load("regression", x + 1, y).fingerprint,
        load("regression", x, y + 1).fingerprint,
        load("regression", x, y, normalize="feature").fingerprint,
        load("classification", x, CLASSES).fingerprint,
    ]

    assert same[0] == same[1]
    assert len({*same, *others}) == 5


@pytest.mark.parametrize(
    ("task", "x", "y", "options", "message"),
    [
        ("classification", floats(5), CLASSES + 0.5, {}, "integers from 0, or type task: regress"),
        ("classification", floats(5), np.eye(4)[CLASSES], {}, "or type task: multilabel"),
        ("classification", floats(5, 5), np.zeros((N, 5, 5), int), {}, "type task: segmentation"),
        ("classification", floats(5), CLASSES, {"resize": 8}, "resize is for pixels, but the in"),
        ("classification", floats(5), CLASSES, {"mean": 0.5, "std": 0.5}, "mean is for pixels"),
        ("classification", floats(5), CLASSES, {"vocabulary": 9}, "tokens are float64 of shape"),
        ("classification", np.full((N, 5), 9), CLASSES, {"vocabulary": 9}, "type vocabulary: 10"),
        ("classification", np.full((N, 5), np.nan), CLASSES, {}, "inputs of example 0 are not fin"),
        ("classification", np.full((N, 5), 1e39), CLASSES, {}, "of example 0 are not finite in fl"),
        ("classification", floats(5).astype(str), CLASSES, {}, "inputs are <U.* give numbers"),
        ("regression", floats(5), np.ones(N), {}, "target 0 is 1 in the whole training part"),
        ("multilabel", floats(5), np.eye(4)[CLASSES] * [0, 1, 1, 1], {}, "label 0 is 0 in the wh"),
        ("segmentation", floats(5), np.zeros((N, 5, 5), int), {}, "this task needs images"),
        ("segmentation", floats(3, 5, 5), np.zeros((N, 5, 4), int), {}, "masks of 5 x 4 pixels, "),
        ("segmentation", floats(3, 5, 5), np.zeros((N, 5, 5), int), {}, "the masks have one class"),
        ("language_model", floats(5), None, {}, "a language model needs tokens; give integers"),
        ("language_model", np.ones((N, 1), int), None, {"vocabulary": 9}, r"give \[N, T \+ 1\]"),
        ("regression", floats(5), None, {}, "the array y_train is missing"),
        ("regression", floats(5)[:0], np.ones(0), {}, "train: there are no examples"),
    ],
)
def test_arrays_are_refused_with_the_reason(
    load: Callable[..., Dataset], task: str, x: Any, y: Any, options: Any, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        load(task, x, y, **options)


def test_normalize_is_refused_for_pixels(load: Callable[..., Dataset]) -> None:
    with pytest.raises(UserError, match="normalize is for tensors, but the inputs are pixels"):
        load("classification", np.zeros((N, 5, 5), np.uint8), CLASSES, normalize="channel")


def test_mask_values_beyond_the_classes_are_refused_unless_ignored(
    load: Callable[..., Dataset],
) -> None:
    x = np.random.default_rng(0).integers(0, 256, (N, 4, 4), dtype=np.uint8)
    masks = np.random.default_rng(1).integers(0, 3, (N, 4, 4))
    masks[:, 0, 0] = 255

    message = "no pixels of class 3, 4, .* although classes go up to 255; .* {ignore: 255}"
    with pytest.raises(UserError, match=message):
        load("segmentation", x, masks)
    assert load("segmentation", x, masks, ignore=255).task.outputs.size == 3


def test_part_with_a_class_that_training_lacks_is_refused(load: Callable[..., Dataset]) -> None:
    x = np.zeros((N, 4, 4), dtype=np.uint8)
    x[:, 0] = 9
    masks = np.tile(np.array([0, 0, 1, 1]), (N, 4, 1))

    with pytest.raises(UserError, match="test: pixels of class 2, but the classes are 0 to 1"):
        load("segmentation", x, masks, x_test=x, y_test=masks * 2)
    with pytest.raises(UserError, match="the parts' targets differ in their number: train 2, test"):
        load("regression", x, floats(2), x_test=x, y_test=floats(3))


def test_data_set_for_another_task_is_refused_with_those_that_fit(tmp_path: Path) -> None:
    message = (
        "digits is for task classification; task regression needs numbers .* npz, table, python"
    )
    with pytest.raises(UserError, match=message):
        load_data("digits", {}, tmp_path, task=TaskChoice("regression"))
