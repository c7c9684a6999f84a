"""Sensitivity of layers to int8; the most sensitive layers stay in float."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.quantization.dynamic import Dynamic
from paretune.spaces.quantization.sensitivity import sensitivity
from paretune.spaces.quantization.static import Static


@pytest.mark.parametrize("technique", [Dynamic, Static])
def test_most_sensitive_layers_stay_in_float(
    technique: Any, candidate: Candidate, context: Context
) -> None:
    marked = technique.apply(candidate, technique.Params(keep_float=2), context)
    ratios = sensitivity(
        candidate, context, technique.Params().per_channel, technique.Params().reduce_range
    )
    expected = sorted(ratios, key=lambda layer: ratios[layer])[:2]
    assert marked.quantization is not None
    assert marked.quantization[technique.name]["kept"] == expected
    assert marked.history[-1].info["sensitivity_db"] == {name: ratios[name] for name in expected}


def test_layer_with_an_outlier_weight_is_the_most_sensitive(
    candidate: Candidate, context: Context
) -> None:
    """A weight 1,000 times larger than the others leaves them 1/1,000 of the levels."""
    with torch.no_grad():
        candidate.model.get_parameter("3.weight")[:, 0, 0, 0] *= 1000
        candidate.model.get_parameter("3.weight")[:, 0, 0, 0] += 10
    ratios = sensitivity(candidate, context, per_channel=False, reduce_range=True)
    assert min(ratios, key=lambda name: ratios[name]) == "3"
    assert set(ratios) == {"0", "3", "7", "9"}


def test_sensitivity_does_not_change_weights(candidate: Candidate, context: Context) -> None:
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


def test_keep_float_that_leaves_nothing_to_quantize_is_infeasible(
    candidate: Candidate, context: Context
) -> None:
    reason = "keep_float: 4 leaves nothing to quantize: the network has 4 layers"
    with pytest.raises(InfeasibleCandidate, match=reason):
        Static.apply(candidate, Static.Params(keep_float=4), context)
