"""Quantization marks a candidate for the runtime's own quantizer."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from spaces.base import Candidate, Context, InfeasibleCandidate
from spaces.quantization import QUANTIZATIONS
from spaces.quantization.dynamic import Dynamic
from spaces.quantization.static import Static


@pytest.mark.parametrize(
    ("technique", "params", "expected"),
    [
        (Dynamic, {}, {"dynamic": {"per_channel": False}}),
        (Dynamic, {"per_channel": True}, {"dynamic": {"per_channel": True}}),
        (
            Static,
            {"images": 8, "calibration": "entropy"},
            {"static": {"images": 8, "calibration": "entropy", "per_channel": True}},
        ),
    ],
)
def test_mark_says_how_and_the_model_stays_the_same(
    technique: Any,
    params: dict[str, Any],
    expected: dict[str, Any],
    candidate: Candidate,
    context: Context,
) -> None:
    marked = technique.apply(candidate, technique.Params(**params), context)
    assert marked.quantization == expected
    assert marked.model is candidate.model


def test_no_quantization_stays_float(candidate: Candidate, context: Context) -> None:
    entry = QUANTIZATIONS.get("none")
    assert entry.apply(candidate, entry.Params(), context).quantization is None


@pytest.mark.parametrize("name", ["dynamic", "static"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_mark_is_refused_when_a_weight_is_not_finite(
    name: str, value: float, candidate: Candidate, context: Context
) -> None:
    with torch.no_grad():
        candidate.model.get_parameter("3.weight")[0, 0, 0, 0] = value
    entry = QUANTIZATIONS.get(name)
    with pytest.raises(InfeasibleCandidate, match=rf"{name} quantization: 3\.weight is not finite"):
        entry.apply(candidate, entry.Params(), context)
