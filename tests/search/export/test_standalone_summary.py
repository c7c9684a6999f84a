"""Statistics of calls: a few numbers for each example, for every kind of task."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from scipy.stats import entropy

from paretune.search.export.standalone_summary import (
    MOST_VALUES,
    count_of_boxes,
    number_statistics,
    rows_of,
    summarize,
)
from paretune.spaces.detection.decoding import decoded

INPUT: dict[str, Any] = {"inputs": [{"name": "input"}]}
X = np.zeros((3, 2), np.float32)


def outputs_of(kind: str | None, *outputs: Any, inputs: Any = None, **about: Any) -> Any:
    taken = [X] if inputs is None else inputs
    facts = {**INPUT, "kind": kind, **about}
    return summarize(facts, taken, list(outputs), np.arange(len(taken[0])))["outputs"]


def test_class_has_confidence_and_entropy() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (3, 5)).astype(np.float32)
    result = outputs_of("class", logits)
    chances = softmax(logits, axis=1)
    assert result["class"] == logits.argmax(1).tolist()
    assert result["confidence"] == pytest.approx(chances.max(1), rel=1e-3)
    assert result["entropy"] == pytest.approx(entropy(chances, axis=1), rel=1e-3)
    assert result["nan"] == [0.0] * 3


def test_large_logits_do_not_overflow() -> None:
    result = outputs_of("class", np.array([[1e4, -1e4], [1e30, 1e30], [0, 0]], np.float32))
    assert result["confidence"] == [1.0, 0.5, 0.5]


def test_output_with_nan_has_no_class() -> None:
    result = outputs_of("class", np.array([[1, 2], [np.nan, 1], [np.inf, 0]], np.float32))
    assert result["class"] == [1.0, None, None]
    assert result["nan"] == [0.0, 0.5, 0.5]


def test_labels_are_counted() -> None:
    logits = np.array([[1, -1, 2], [-3, -2, -1], [0.1, 0.2, -9]], np.float32)
    result = outputs_of("labels", logits)
    assert result["labels"] == [2, 0, 2] and result["class"] == [2, -1, 1]


def test_values_have_their_names() -> None:
    values = np.arange(6, dtype=np.float32).reshape(3, 2)
    result = outputs_of("values", values, names=["width"])
    assert result["value.width"] == [0, 2, 4] and result["value.1"] == [1, 3, 5]


def test_many_values_are_summed_up() -> None:
    values = np.random.default_rng(0).normal(size=(3, 20)).astype(np.float32)
    result = outputs_of("values", values)
    assert set(result) == {"mean", "std", "min", "max", "nan"}
    assert result["std"] == pytest.approx(values.std(1), rel=1e-3)


def test_mask_has_the_shares_of_its_classes() -> None:
    logits = np.zeros((3, 3, 4, 4), np.float32)
    logits[:, 1, :, 1:] = 5
    result = outputs_of("mask", logits, names=["sky", "road", "car"])
    assert result["share.road"] == [0.75] * 3 and result["share.sky"] == [0.25] * 3
    sure = np.exp(log_softmax(logits[0], axis=0)).max(0).mean()
    assert result["confidence"] == pytest.approx([sure] * 3, rel=1e-3)


def test_next_token_counts_where_the_text_is() -> None:
    tokens = np.array([[5, 6, 0, 0], [1, 2, 3, 4]])
    logits = np.zeros((2, 4, 7), np.float32)
    logits[:, :2, 1] = 20
    about = {"inputs": [{"name": "input", "tokens": True, "padding": 0, "unknown": 1}]}
    parts = summarize({**about, "kind": "next"}, [tokens], [logits], np.arange(2))
    assert parts["outputs"]["confidence"] == pytest.approx([1.0, (1 + 1 / 7) / 2], rel=1e-3)
    assert parts["inputs"] == {"input.length": [2, 4], "input.unknown": [0.0, 0.25]}


@pytest.mark.parametrize("seed", range(5))
def test_boxes_are_as_many_as_decode_finds(seed: int) -> None:
    random = np.random.default_rng(seed)
    grids = random.normal(-3, 2, size=(4, 7, 8, 12)).astype(np.float32)
    result = outputs_of(
        "boxes", grids, inputs=[np.zeros((4, 1))], image=[64, 96], overlap=0.5, names=[]
    )
    expected = decoded(grids, (64, 96), threshold=0.25, overlap=0.5, most=1000)
    assert result["boxes"] == [len(each.scores) for each in expected]
    assert result["confidence"] == pytest.approx([each.scores[0] for each in expected], rel=1e-3)
    assert result["class"] == [int(each.labels[0]) for each in expected]


def test_image_without_objects_has_no_boxes() -> None:
    grids = np.full((3, 5, 2, 2), -9, np.float32)
    result = outputs_of("boxes", grids, image=[16, 16], overlap=0.5)
    assert result["boxes"] == [0] * 3 and result["class"] == [-1] * 3
    assert count_of_boxes(np.zeros(0), np.zeros((0, 4)), 0.5) == 0


def test_outputs_of_a_users_task_are_numbers() -> None:
    heads = np.arange(6.0).reshape(3, 2), np.array([1, 2, 3]), np.float32(0.5)
    result = outputs_of(None, *heads, outputs=["boxes", "count", "loss"])
    assert result["boxes.mean"] == [0.5, 2.5, 4.5] and result["count.max"] == [1, 2, 3]
    assert not any(name.startswith("loss") for name in result)


def test_several_inputs_have_their_own_statistics() -> None:
    about = {"kind": None, "inputs": [{"name": "image"}, {"name": "facts"}]}
    inputs = [np.ones((2, 3, 4, 4), np.uint8), np.array([[1.0, np.nan], [2, 4]])]
    result = summarize(about, inputs, [np.zeros((2, 1))], np.arange(2))["inputs"]
    assert result["image.mean"] == [1.0, 1.0]
    assert result["facts.nan"] == [0.5, 0.0] and result["facts.mean"] == [1.0, 3.0]
    assert result["facts.std"] == [0.0, 1.0]


def test_numbers_are_those_of_numpy() -> None:
    values = np.random.default_rng(0).normal(3, 2, size=(5, 3, 8, 8)).astype(np.float32)
    result = number_statistics(values)
    flat = values.reshape(5, -1)
    for name, expected in {"mean": flat.mean(1), "std": flat.std(1), "min": flat.min(1)}.items():
        assert result[name] == pytest.approx(expected, rel=1e-4)


def test_large_input_is_sampled_evenly() -> None:
    image = np.tile(np.arange(224, dtype=np.float32), (1, 3, 224, 1))
    result = number_statistics(image)
    assert result["mean"] == pytest.approx(image.mean(), rel=0.02)
    assert image.size // MOST_VALUES > 30


@pytest.mark.parametrize(("batch", "count"), [(1, 1), (256, 256), (257, 256), (9999, 256)])
def test_rows_of_a_batch_are_distinct(batch: int, count: int) -> None:
    rows = rows_of(batch)
    assert len(set(rows.tolist())) == count and rows.max() < batch
