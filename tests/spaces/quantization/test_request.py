"""Quantization marks a candidate for the runtime's own quantizer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.quantization import QUANTIZATIONS
from paretune.spaces.quantization.dynamic import Dynamic
from paretune.spaces.quantization.sensitivity import sensitivity
from paretune.spaces.quantization.static import Static


@pytest.mark.parametrize("name", ["dynamic", "static", "float16", "bfloat16", "weight_only"])
def test_mark_says_how_and_the_model_stays_the_same(
    name: str, candidate: Candidate, context: Context
) -> None:
    entry = QUANTIZATIONS.get(name)
    params = entry.Params()
    marked = entry.apply(candidate, params, context)
    kept = {"kept": []} if "keep_float" in entry.Params.model_fields else {}
    assert marked.quantization == {name: {**params.model_dump(), **kept}}
    assert marked.model is candidate.model


@pytest.mark.parametrize("technique", [Dynamic, Static])
def test_most_sensitive_layers_stay_float(
    technique: Any, candidate: Candidate, context: Context
) -> None:
    marked = technique.apply(candidate, technique.Params(keep_float=2), context)
    found = sensitivity(
        candidate, context, technique.Params().per_channel, technique.Params().reduce_range
    )
    expected = sorted(found, key=lambda layer: found[layer])[:2]
    assert marked.quantization is not None
    assert marked.quantization[technique.name]["kept"] == expected
    assert marked.history[-1].info["sensitivity_db"] == {name: found[name] for name in expected}


def test_layer_with_an_outlier_among_its_weights_is_the_most_sensitive(
    candidate: Candidate, context: Context
) -> None:
    """A weight 1,000 times as large as the others leaves them 1/1,000 of the levels."""
    with torch.no_grad():
        candidate.model.get_parameter("3.weight")[:, 0, 0, 0] *= 1000
        candidate.model.get_parameter("3.weight")[:, 0, 0, 0] += 10
    found = sensitivity(candidate, context, per_channel=False, reduce_range=True)
    assert min(found, key=lambda name: found[name]) == "3"
    assert set(found) == {"0", "3", "7", "9"}


def test_sensitivity_leaves_weights_and_hooks_as_they_were(
    candidate: Candidate, context: Context
) -> None:
    before = {name: tensor.clone() for name, tensor in candidate.model.state_dict().items()}
    sensitivity(candidate, context, per_channel=True, reduce_range=True)
    assert all(torch.equal(before[n], t) for n, t in candidate.model.state_dict().items())


def test_sensitivity_is_measured_once_for_the_same_weights(
    candidate: Candidate, context: Context
) -> None:
    kept: dict[str, Any] = {}
    made: list[str] = []

    def memo(name: str, make: Any) -> Any:
        if name not in kept:
            made.append(name)
            kept[name] = make()
        return kept[name]

    remembering = replace(context, memo=memo)
    for number in (1, 2, 3):
        Static.apply(candidate, Static.Params(keep_float=number), remembering)
    assert len(made) == 1
    with torch.no_grad():
        candidate.model.get_parameter("3.weight")[0, 0, 0, 0] += 1
    Static.apply(candidate, Static.Params(keep_float=1), remembering)
    assert len(made) == 2


def test_keep_float_that_leaves_nothing_is_refused(candidate: Candidate, context: Context) -> None:
    reason = "keep_float: 4 leaves nothing to quantize: the network has 4 layers"
    with pytest.raises(InfeasibleCandidate, match=reason):
        Static.apply(candidate, Static.Params(keep_float=4), context)


def test_no_quantization_stays_float(candidate: Candidate, context: Context) -> None:
    entry = QUANTIZATIONS.get("none")
    assert entry.apply(candidate, entry.Params(), context).quantization is None


@pytest.mark.parametrize("name", [name for name in QUANTIZATIONS.names if name != "none"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_mark_is_refused_when_a_weight_is_not_finite(
    name: str, value: float, candidate: Candidate, context: Context
) -> None:
    with torch.no_grad():
        candidate.model.get_parameter("3.weight")[0, 0, 0, 0] = value
    entry = QUANTIZATIONS.get(name)
    with pytest.raises(InfeasibleCandidate, match=rf"{name} quantization: 3\.weight is not finite"):
        entry.apply(candidate, entry.Params(), context)
