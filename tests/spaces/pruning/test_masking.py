"""Masks of single weights: what both techniques refuse."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.pruning.semi_structured import SemiStructured
from paretune.spaces.pruning.unstructured import Unstructured


@pytest.mark.parametrize("technique", [Unstructured, SemiStructured], ids=lambda t: t.name)
def test_ignore_of_an_unknown_module_is_infeasible(
    technique: Any, candidate: Candidate, context: Context
) -> None:
    required = {"ratio": 0.5} if technique is Unstructured else {}
    params = technique.Params(ignore=["clasifier"], **required)
    with pytest.raises(InfeasibleCandidate, match='ignore: the network has no "clasifier"; the'):
        technique.apply(candidate, params, context)


@pytest.mark.parametrize("technique", [Unstructured, SemiStructured], ids=lambda t: t.name)
def test_network_without_weights_is_infeasible(technique: Any, context: Context) -> None:
    candidate = Candidate(nn.Flatten(), (1, 1, 3), 3)
    required = {"ratio": 0.5} if technique is Unstructured else {}
    with pytest.raises(InfeasibleCandidate, match="no convolution or linear layer to prune"):
        technique.apply(candidate, technique.Params(**required), context)
