"""The deployed file as a function of nests, and what it refuses."""

from __future__ import annotations

import re
from collections import UserDict, namedtuple
from typing import Any

import numpy as np
import pytest
import torch

from paretune.inputs import Input, Shape, Signature, Tokens
from paretune.nests import form_of
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.flat_arrays import flat_arrays
from paretune.objectives.predictor import Predictor

TWO = Signature((Input("image", (3, 4, 4)), Input("tokens", (16,), "int64", 50)), "tuple")
NAMED = Signature(TWO.inputs, "dict")

IMAGES = np.arange(96, dtype=np.float32).reshape(2, 3, 4, 4)
TOKENS = np.ones((2, 16), np.int64)


def total(*arrays: np.ndarray) -> np.ndarray:
    """Returns the sum of all inputs of each example."""
    sums: np.ndarray = sum(x.reshape(len(x), -1).sum(1) for x in arrays)
    return sums


@pytest.mark.parametrize("shape", [TWO, NAMED], ids=["tuple", "dict"])
def test_inputs_come_as_a_tuple_a_dict_or_arguments(shape: Signature) -> None:
    predict = Predictor(total, shape)
    expected = total(IMAGES, TOKENS)
    batch = {"tokens": TOKENS, "image": IMAGES}
    for outputs in (
        predict((IMAGES, TOKENS)),
        predict([IMAGES, TOKENS]),
        predict(IMAGES, TOKENS),
        predict(batch),
        predict(UserDict(batch)),
        predict(**batch),
        predict(IMAGES, tokens=TOKENS),
        predict(torch.from_numpy(IMAGES), torch.from_numpy(TOKENS)),
    ):
        assert np.array_equal(outputs, expected)


@pytest.mark.parametrize("shape", [(3, 4, 4), Signature((Input("input", (3, 4, 4)),), "dict")])
def test_single_input_comes_alone_or_by_name(shape: Shape) -> None:
    predict = Predictor(total, shape)
    for outputs in (
        predict(IMAGES),
        predict((IMAGES,)),
        predict(input=IMAGES),
        predict({"input": IMAGES}),
        predict(torch.from_numpy(IMAGES).requires_grad_()),
    ):
        assert np.array_equal(outputs, total(IMAGES))


@pytest.mark.parametrize(
    "value",
    [
        IMAGES.astype(np.float64),
        IMAGES.astype(np.float16),
        torch.from_numpy(IMAGES).double(),
        torch.from_numpy(IMAGES).bfloat16(),
        np.asfortranarray(IMAGES),
        torch.from_numpy(IMAGES).to(memory_format=torch.channels_last),
    ],
    ids=["float64", "float16", "double", "bfloat16", "fortran", "channels last"],
)
def test_floats_become_contiguous_float32(value: Any) -> None:
    [array] = flat_arrays((3, 4, 4), value)
    assert array.dtype == np.float32 and array.flags.c_contiguous
    assert np.array_equal(array, IMAGES)  # whole numbers below 256 have no rounding


Named = namedtuple("Named", ["first", "second"])


@pytest.mark.parametrize(
    "nest",
    [
        (1, 2),
        [1, 2],
        {"a": 1, "b": [2, (3,)]},
        (1, None, 2),
        {"a": (None, 1)},
        (Named(1, 2), 3),
        {"only": 1},
    ],
    ids=repr,
)
def test_outputs_have_the_form_of_the_network_s(nest: Any) -> None:
    count = str(nest).count("1") + str(nest).count("2") + str(nest).count("3")
    flat = tuple(np.full(2, i) for i in range(1, count + 1))
    predict = Predictor(lambda *x: flat if len(flat) > 1 else flat[0], (3, 4, 4), form_of(nest))
    outputs = predict(IMAGES)
    expected = (tuple(nest[0]), 3) if isinstance(nest, tuple) and nest[1:] == (3,) else nest
    assert form_of(outputs) == form_of(nest)
    assert repr(outputs).replace("array([", "").replace("])", "") == repr(
        _filled(expected)
    ).replace("array([", "").replace("])", "")


def _filled(nest: Any) -> Any:
    if isinstance(nest, dict):
        return {name: _filled(value) for name, value in nest.items()}
    if isinstance(nest, list | tuple):
        return type(nest)(_filled(value) for value in nest)
    return None if nest is None else np.full(2, nest)


def test_file_with_another_number_of_outputs_is_unmeasurable() -> None:
    for form in (None, {"tuple": [None]}, {"tuple": [None, None, None]}):
        with pytest.raises(Unmeasurable, match="the file gives 2 outputs, but its network"):
            Predictor(lambda x: (x, x), (3, 4, 4), form)(IMAGES)


WORD = Signature((Input("tokens", (16,), "int64", 50, ((0, "length"),)),))
PAIR = Signature((*WORD.inputs, Input("mask", (16,), "bool", 2, ((0, "length"),))), "dict")


@pytest.mark.parametrize(
    ("shape", "inputs", "text"),
    [
        ((3, 4, 4), IMAGES[:, :1], "input: float32 [B, 3, 4, 4] expected, float32 [2, 1, 4, 4]"),
        ((3, 4, 4), IMAGES[0], "input: float32 [B, 3, 4, 4] expected, float32 [3, 4, 4] came"),
        ((3, 4, 4), IMAGES[:0], "expected, float32 [0, 3, 4, 4] came"),
        ((3, 4, 4), TOKENS, "input: float32 [B, 3, 4, 4] expected, int64 [2, 16] came"),
        ((3, 4, 4), "text", "input: float32 [B, 3, 4, 4] expected, no array or tensor came"),
        ((3, 4, 4), (IMAGES, IMAGES), "1 input expected (input), 2 came"),
        ((3, 4, 4), {"x": IMAGES}, "inputs input expected, x came"),
        (Tokens(16, 50), TOKENS.astype(np.int32), "input: int64 [B, 16] expected, int32 [2, 16]"),
        (TWO, (IMAGES, IMAGES), "input 1, tokens: int64 [B, 16] expected, float32 [2, 3, 4, 4] "),
        (TWO, IMAGES, "2 inputs expected (image, tokens), 1 came"),
        (TWO, (IMAGES, TOKENS, TOKENS), "2 inputs expected (image, tokens), 3 came"),
        (TWO, (IMAGES, TOKENS[:1]), "the axis batch has one size in all inputs; 2 in input 0, "),
        (NAMED, {"image": IMAGES}, "inputs image, tokens expected, image came"),
        (NAMED, {"image": IMAGES, "token": TOKENS}, "expected, image, token came"),
        (WORD, TOKENS.astype(np.float32), "tokens: int64 [B, length] expected, float32 [2, 16]"),
        (
            PAIR,
            {"tokens": TOKENS, "mask": TOKENS[:, 1:].astype(bool)},
            "the axis length has one size in all inputs; 16 in input 0, tokens; 15 in input 1, m",
        ),
    ],
)
def test_inputs_that_do_not_fit_are_unmeasurable(shape: Shape, inputs: Any, text: str) -> None:
    with pytest.raises(Unmeasurable, match=re.escape(text)):
        Predictor(total, shape)(inputs)


def test_too_many_arguments_are_unmeasurable() -> None:
    for arguments, named in ((([IMAGES] * 3), {}), ((IMAGES, IMAGES), {"tokens": TOKENS})):
        with pytest.raises(Unmeasurable, match="2 inputs expected"):
            Predictor(total, TWO)(*arguments, **named)


def test_dynamic_axes_take_any_size() -> None:
    predict = Predictor(total, PAIR)
    for length in (1, 16, 40):
        tokens = np.ones((2, length), np.int64)
        assert predict(tokens=tokens, mask=tokens.astype(bool)).tolist() == [2.0 * length] * 2
