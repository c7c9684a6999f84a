"""What the user's `score` may return, and what is refused, with words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from paretune.nests import Nest
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.score_values import scores_of_user, values_of_score


@dataclass
class Examples:
    """A part of four examples."""

    name: str = "validation"
    size: int = 4

    def batches(self) -> Iterator[tuple[Nest, Nest]]:
        raise AssertionError("the user's task has batches of its own")


PART = Examples()


@pytest.mark.parametrize(
    "value", [0.5, np.float32(0.5), np.array(0.5), torch.tensor(0.5), 1, np.int64(1)]
)
def test_number_is_a_score_without_an_interval(value: Any) -> None:
    scored = values_of_score({"map50": value}, PART)["map50"]
    assert (scored.value, scored.count) == (float(value), 4)
    assert scored.values is scored.correct is scored.weighted is None


@pytest.mark.parametrize(
    "value",
    [
        [1.0, 2, 3, 4],
        (1, 2, 3, 4),
        np.array([1, 2, 3, 4], dtype=np.float32),
        torch.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True),
        [torch.tensor(1.0), torch.tensor(2.0), np.float64(3), 4],
    ],
)
def test_numbers_for_each_example_give_their_mean(value: Any) -> None:
    scored = values_of_score({"error": value}, PART)["error"]
    assert (scored.value, scored.count) == (2.5, 4)
    assert scored.values is not None
    assert scored.values.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "value",
    [[True, False, True, True], np.array([1, 0, 1, 1], bool), torch.tensor([1, 0, 1, 1]).bool()],
)
def test_booleans_for_each_example_give_their_share(value: Any) -> None:
    scored = values_of_score({"right": value}, PART)["right"]
    assert scored.value == 0.75
    assert scored.correct is not None
    assert scored.correct.tolist() == [True, False, True, True]


@pytest.mark.parametrize("examples", [[1.0, 2.0, 3.0, 6.0], np.array([1.0, 2, 3, 6])])
def test_examples_and_a_function_are_resampled(examples: Any) -> None:
    scored = values_of_score({"middle": (examples, np.median)}, PART)["middle"]
    assert scored.value == 2.5
    assert scored.weighted is not None
    assert scored.weighted(np.ones(4)) == 2.5
    assert scored.weighted(np.array([0.0, 0, 1, 3])) == 6.0
    assert scored.weighted(np.array([1.0, 2, 0, 1])) == 2.0


def test_rows_of_a_table_are_resampled() -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"true": [1.0, 2, 3, 4], "guess": [1.0, 2, 3, 8]})

    def worst(drawn: Any) -> float:
        return float((drawn.true - drawn.guess).abs().max())

    scored = values_of_score({"worst": (table, worst)}, PART)["worst"]
    assert scored.value == 4.0
    assert scored.weighted is not None
    assert scored.weighted(np.array([0.0, 3, 1, 0])) == 0.0


def test_function_gets_a_list_of_what_the_examples_are() -> None:
    examples = [({"box": k}, k / 4) for k in range(4)]
    seen = []

    def summary(drawn: list[Any]) -> float:
        seen.append([truth["box"] for truth, _ in drawn])
        return float(np.mean([score for _, score in drawn]))

    scored = values_of_score({"map50": (examples, summary)}, PART)["map50"]
    assert scored.weighted is not None
    scored.weighted(np.array([0.0, 2, 0, 2]))
    assert seen == [[0, 1, 2, 3], [1, 1, 3, 3]]


def test_sample_that_the_function_cannot_sum_up_has_no_score() -> None:
    def summary(drawn: list[int]) -> float:
        return 1 / drawn.count(0)

    scored = values_of_score({"x": ([0, 1, 2, 3], summary)}, PART)["x"]
    assert scored.weighted is not None
    assert np.isnan(scored.weighted(np.array([0.0, 2, 1, 1])))


def raising(drawn: Any) -> float:
    raise KeyError("boxes")


BAD = {
    "no mapping": (0.5, 'score returned 0.5; return a mapping.*{"map50": value}'),
    "none": (None, "score returned None"),
    "empty": ({}, "score returned an empty mapping"),
    "name": ({5: 0.5}, "the name 5"),
    "bool": ({"a": True}, "score gives True for a; give a number"),
    "numpy bool": ({"a": np.bool_(True)}, "for a; give a number"),
    "text": ({"a": "0.5"}, "the text '0.5' for a"),
    "value none": ({"a": None}, "None for a"),
    "mapping": ({"a": {"b": 1}}, "a dict for a"),
    "matrix": ({"a": np.zeros((4, 2))}, r"an array of shape \[4, 2\] for a"),
    "ragged": ({"a": [[1], [1, 2]]}, "a list for a"),
    "texts": ({"a": ["x", "y", "z", "w"]}, "a list for a"),
    "other count": ({"a": [1.0, 2.0]}, "2 values for a, but the validation part has 4 examples"),
    "other examples": ({"a": ([1, 2], len)}, "2 values for a, but the validation part has 4"),
    "generator": ({"a": (iter([1, 2, 3, 4]), sum)}, "examples is a list_iterator"),
    "mapping of examples": ({"a": ({1: 2, 2: 3, 3: 4, 4: 5}, len)}, "examples is a mapping"),
    "function raises": ({"a": ([1, 2, 3, 4], raising)}, r"KeyError: 'boxes' \(test_score_values"),
    "function gives text": ({"a": ([1, 2, 3, 4], str)}, "the text .* for a"),
    "function gives none": ({"a": ([1, 2, 3, 4], print)}, "None for a"),
}


@pytest.mark.parametrize(("answer", "text"), BAD.values(), ids=BAD)
def test_invalid_score_is_refused_with_words(answer: Any, text: str) -> None:
    with pytest.raises(Unmeasurable, match=text):
        values_of_score(answer, PART)


def test_error_in_the_users_score_names_the_line() -> None:
    def score(predict: Any, part: str) -> dict[str, float]:
        assert part == "validation"
        return {"a": predict["boxes"]}

    with pytest.raises(Unmeasurable, match=r"score raised TypeError: .*\(test_score_values.py, "):
        scores_of_user(score, lambda inputs: inputs, PART)


def test_score_gets_predict_and_the_name_of_the_part() -> None:
    scores = scores_of_user(lambda predict, part: {part: predict(3)}, lambda x: 2 * x, PART)
    assert {name: s.value for name, s in scores.items()} == {"validation": 6.0}


def test_reasons_are_one_line() -> None:
    def score(predict: Any, part: str) -> Any:
        raise ValueError("first\nsecond")

    with pytest.raises(Unmeasurable) as caught:
        scores_of_user(score, lambda inputs: inputs, PART)
    assert re.fullmatch(r"score raised ValueError: first second \(.*\)", str(caught.value))
