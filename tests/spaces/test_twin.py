"""A candidate is refused when its history rebuilds another network."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from paretune.spaces.base import Candidate, Context, InfeasibleCandidate, Step
from paretune.spaces.pruning.structured import Structured
from paretune.spaces.rebuild import initial_candidate
from paretune.spaces.twin import accepted, check_twin
from paretune.task import Outputs
from support.nest_networks import NETWORKS, TWO_HEADS, TwoHeads, factory


@pytest.fixture
def pruned(candidate: Candidate, context: Context) -> Candidate:
    return Structured.apply(candidate, Structured.Params(ratio=0.5, round_to=1), context)


def changed(candidate: Candidate, change: Any) -> Candidate:
    """Returns the candidate with a copy of its model that `change` has changed."""
    model = copy.deepcopy(candidate.model)
    change(model)
    return replace(candidate, model=model)


def with_history(candidate: Candidate, removed: Any) -> Candidate:
    *steps, last = candidate.history
    info = {**last.info, "removed": removed}
    return replace(candidate, history=(*steps, Step(last.technique, last.params, info)))


def test_candidate_equal_to_its_twin_passes(pruned: Candidate) -> None:
    check_twin(pruned)


def test_accepted_has_the_name_of_the_technique_in_the_plan(
    candidate: Candidate, pruned: Candidate
) -> None:
    assert accepted(candidate, candidate, "structured") is candidate
    named = accepted(candidate, pruned, "structured")
    assert [step.technique for step in named.history] == ["architecture", "structured"]


def test_first_layer_of_another_size_is_named(pruned: Candidate) -> None:
    lost = with_history(pruned, pruned.history[-1].info["removed"][1:])
    with pytest.raises(
        InfeasibleCandidate,
        match=r"structured: 7.weight has the size .*; write it into ignore: \[7\]",
    ):
        check_twin(lost)


def test_history_that_cannot_be_replayed_is_infeasible(pruned: Candidate) -> None:
    with pytest.raises(InfeasibleCandidate, match="cannot be built again from its history: Attrib"):
        check_twin(with_history(pruned, [["gone", True, [0]]]))


def test_layer_that_declares_other_channels_than_its_weight_is_named(pruned: Candidate) -> None:
    def negative(model: Any) -> None:
        model[3].in_channels = -76

    with pytest.raises(
        InfeasibleCandidate, match=r"structured: 3 declares \[8, -76\] channels, its"
    ):
        check_twin(changed(pruned, negative))


def test_first_layer_that_computes_something_else_is_named(pruned: Candidate) -> None:
    class Louder(nn.ReLU):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) * 1.001

    def louder(model: Any) -> None:
        model[4] = Louder()

    with pytest.raises(
        InfeasibleCandidate, match=r"structured: 4 computes something else .*ignore: \[4\]"
    ):
        check_twin(changed(pruned, louder))


def test_network_for_a_single_example_is_infeasible(pruned: Candidate) -> None:
    class One(nn.Flatten):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.reshape(1, -1)

    def single(model: Any) -> None:
        [index] = [i for i, module in enumerate(model) if isinstance(module, nn.Flatten)]
        model[index] = One()

    with pytest.raises(InfeasibleCandidate, match="does not run with 3 examples: "):
        check_twin(changed(pruned, single))


@pytest.mark.parametrize(("network", "shape"), NETWORKS, ids=lambda value: str(value)[:30])
def test_twin_of_a_network_with_several_inputs_or_outputs_is_compared(
    network: type[nn.Module], shape: Any
) -> None:
    made = initial_candidate(factory(network), shape, Outputs(0, "any"), seed=0)
    check_twin(made)

    def louder(model: Any) -> None:
        last = [module for module in model.modules() if hasattr(module, "weight")][-1]
        last.register_forward_hook(lambda module, args, output: output * 1.001)

    with pytest.raises(InfeasibleCandidate, match=r"architecture: .* computes something else"):
        check_twin(changed(made, louder))


def test_twin_with_another_form_of_outputs_is_refused() -> None:
    made = initial_candidate(factory(TwoHeads), TWO_HEADS, Outputs(0, "any"), seed=0)

    def single(model: Any) -> None:
        model.register_forward_hook(lambda module, args, output: output["boxes"])

    with pytest.raises(InfeasibleCandidate, match="computes something else"):
        check_twin(changed(made, single))
