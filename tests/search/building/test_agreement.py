"""Agreement of a file with its network: differences as shares of the outputs' spread."""

from __future__ import annotations

import math

import numpy as np
import pytest

from paretune.search.building.agreement import (
    COARSE,
    EXACT,
    agreement,
    difference,
    fault,
    spread,
    tolerance,
)

RANDOM = np.random.default_rng(0)
LABELS = np.arange(64) % 10
NETWORK = (5 * np.eye(10)[LABELS] + RANDOM.normal(size=(64, 10))).astype(np.float32)


def test_spread_is_the_deviation_between_examples_whatever_the_mean() -> None:
    outputs = RANDOM.normal(size=(5000, 4)) * 3 + 100
    assert spread(outputs) == pytest.approx(3, rel=0.05)


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_difference_does_not_depend_on_the_size_of_outputs(size: float) -> None:
    file = NETWORK + 0.01 * spread(NETWORK)
    apart = difference(NETWORK * size, file * size, spread(NETWORK * size))
    assert apart == pytest.approx(0.01, rel=1e-2)


def test_constant_outputs_have_a_spread_of_their_size() -> None:
    outputs = np.full((8, 3), 7.0)
    assert difference(outputs, outputs + 1e-6, spread(outputs)) < EXACT


def test_difference_is_infinite_if_only_the_file_is_not_finite() -> None:
    file = NETWORK.copy()
    file[3, 2] = np.nan
    assert difference(NETWORK, file, 1.0) == math.inf
    assert difference(file, file, 1.0) == 0.0
    assert difference(NETWORK, NETWORK[:, :9], 1.0) == math.inf


@pytest.mark.parametrize(
    ("quantization", "options", "expected"),
    [
        (None, {"provider": "cpu", "threads": 1}, EXACT),
        (None, {"device": "CPU", "precision": "f32"}, EXACT),
        (None, {}, EXACT),
        (None, {"device": "cuda"}, COARSE),
        (None, {"device": 0}, COARSE),
        (None, {"provider": "tensorrt"}, COARSE),
        (None, {"device": "CPU", "precision": "bf16"}, 0.4),
        ({"float16": {}}, {}, 0.05),
        ({"bfloat16": {}}, {}, 0.4),
        ({"static": {}}, {}, None),
        ({"weight_only": {}}, {}, None),
    ],
)
def test_tolerance_follows_from_number_format_and_device(
    quantization: dict[str, dict[str, int]] | None,
    options: dict[str, object],
    expected: float | None,
) -> None:
    assert tolerance(quantization, options) == expected


def test_equal_outputs_agree() -> None:
    compared = agreement({"": NETWORK}, {"": NETWORK}, EXACT, "example")
    assert compared.to_json() == {
        "examples": 64,
        "difference": 0.0,
        "classes": 1.0,
        "tolerance": EXACT,
    }
    assert fault({"": NETWORK}, {"": NETWORK}, LABELS, EXACT) == ""


def test_float_file_beyond_its_tolerance_is_broken() -> None:
    file = NETWORK + 0.01 * spread(NETWORK)
    text = fault({"": NETWORK}, {"": file}, LABELS, EXACT)
    assert "outputs differ by up to 0.01 of their spread" in text
    assert fault({"": NETWORK}, {"": file}, LABELS, 0.05) == ""


def test_rounded_file_is_accepted_however_far_it_is() -> None:
    file = NETWORK + RANDOM.normal(size=NETWORK.shape)
    assert fault({"": NETWORK}, {"": file}, LABELS, None) == ""


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (np.where(np.arange(640).reshape(64, 10) == 77, np.inf, NETWORK), "for 1 of 64 examples"),
        (np.broadcast_to(NETWORK[:1], NETWORK.shape), "the same outputs for every example"),
        (np.roll(NETWORK, 1, axis=1), "as by chance, while the network is right for"),
        (NETWORK[:, :9], "of shape [64, 9], the network [64, 10]"),
    ],
)
def test_broken_rounded_file_is_refused(file: np.ndarray, words: str) -> None:
    assert words in fault({"": NETWORK}, {"": file}, LABELS, None)


def test_rounded_file_of_a_network_that_only_guesses_is_not_refused() -> None:
    guesses = RANDOM.normal(size=NETWORK.shape)
    file = RANDOM.normal(size=NETWORK.shape)
    assert fault({"": guesses}, {"": file}, LABELS, None) == ""


def test_network_of_one_frequent_class_is_not_refused() -> None:
    labels = np.zeros(64, int)
    outputs = np.tile([1.0, 0.0], (64, 1)) + 0.01 * RANDOM.normal(size=(64, 2))
    rounded = np.tile([1.0, 0.0], (64, 1)) + 0.1 * RANDOM.normal(size=(64, 2))
    assert fault({"": outputs}, {"": rounded}, labels, None) == ""
