"""Scores of a language model: equal to torch's cross-entropy over all tokens but padding."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from paretune.objectives.metrics.language import language_scores, token_sums


def random_texts(seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    tokens = random.integers(1, 11, (7, 12))
    for row, length in enumerate(random.integers(1, 12, 7)):
        tokens[row, length:] = 0
    return random.normal(0, 2, (7, 12, 11)).astype(np.float32), tokens


def library_scores(logits: np.ndarray, tokens: np.ndarray) -> dict[str, float]:
    flat, true = torch.tensor(logits).flatten(0, 1).double(), torch.tensor(tokens).flatten()
    counted = true != 0
    right = (flat.argmax(1) == true)[counted]
    nats = functional.cross_entropy(flat, true, ignore_index=0)
    return {"perplexity": math.exp(nats), "token_accuracy": float(right.double().mean())}


def test_values_equal_torchs_and_padding_does_not_count() -> None:
    logits, tokens = random_texts(0)
    batches = [token_sums(logits[:3], tokens[:3]), token_sums(logits[3:], tokens[3:])]
    scores = language_scores(batches)
    values = {name: s.value for name, s in scores.items()}
    assert values == pytest.approx(library_scores(logits, tokens), rel=1e-6)
    logits[tokens == 0] = 77.0
    assert language_scores(token_sums(logits, tokens))["perplexity"].value == pytest.approx(
        values["perplexity"]
    )


def test_weighted_values_are_those_of_the_drawn_texts() -> None:
    logits, tokens = random_texts(1)
    weights = np.array([2.0, 0, 1, 1, 0, 3, 0])
    drawn = np.repeat(np.arange(7), weights.astype(int))
    expected = library_scores(logits[drawn], tokens[drawn])
    for name, scored in language_scores(token_sums(logits, tokens)).items():
        assert scored.weighted is not None
        assert scored.weighted(weights) == pytest.approx(expected[name], rel=1e-6)


def test_texts_of_padding_only_have_no_score() -> None:
    scores = language_scores(token_sums(np.zeros((2, 3, 4)), np.zeros((2, 3), int)))
    assert all(math.isnan(s.value) for s in scores.values())


def test_certain_and_wrong_model_has_infinite_perplexity_without_a_warning() -> None:
    logits = np.zeros((1, 1, 2))
    logits[0, 0, 0] = 5000.0
    assert math.isinf(language_scores(token_sums(logits, np.array([[1]])))["perplexity"].value)
