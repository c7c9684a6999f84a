"""Quantization adds a request for the runtime's own quantizer to a candidate."""

from __future__ import annotations

import pytest
import torch

from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.quantization import QUANTIZATIONS


@pytest.mark.parametrize("name", ["dynamic", "static", "float16", "bfloat16", "weight_only"])
def test_request_has_the_params_and_the_model_stays_the_same(
    name: str, candidate: Candidate, context: Context
) -> None:
    entry = QUANTIZATIONS.get(name)
    params = entry.Params()
    marked = entry.apply(candidate, params, context)
    kept = {"kept": []} if "keep_float" in entry.Params.model_fields else {}
    assert marked.quantization == {name: {**params.model_dump(), **kept}}
    assert marked.model is candidate.model


def test_no_quantization_makes_no_request(candidate: Candidate, context: Context) -> None:
    entry = QUANTIZATIONS.get("none")
    assert entry.apply(candidate, entry.Params(), context).quantization is None


@pytest.mark.parametrize("name", ["dynamic", "static", "float16", "bfloat16", "weight_only"])
def test_infinite_mask_does_not_prevent_a_request(
    name: str, candidate: Candidate, context: Context
) -> None:
    candidate.model.register_buffer("mask", torch.tensor([float("-inf"), 0.0]))
    entry = QUANTIZATIONS.get(name)
    assert name in (entry.apply(candidate, entry.Params(), context).quantization or {})


@pytest.mark.parametrize("name", [name for name in QUANTIZATIONS.names if name != "none"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_candidate_is_infeasible_when_a_weight_is_not_finite(
    name: str, value: float, candidate: Candidate, context: Context
) -> None:
    with torch.no_grad():
        candidate.model.get_parameter("3.weight")[0, 0, 0, 0] = value
    entry = QUANTIZATIONS.get(name)
    with pytest.raises(InfeasibleCandidate, match=rf"{name} quantization: 3\.weight is not finite"):
        entry.apply(candidate, entry.Params(), context)
