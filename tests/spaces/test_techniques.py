"""Contract of all pruning and quantization techniques."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
import torch

from paretune.spaces.base import Candidate, Context, InfeasibleCandidate, Step
from paretune.spaces.pruning import PRUNINGS
from paretune.spaces.quantization import QUANTIZATIONS
from paretune.spaces.rebuild import initial_candidate, rebuild
from paretune.spaces.table import Table

SHAPE, CLASSES = (1, 8, 8), 3

TECHNIQUES = pytest.mark.parametrize(
    ("table", "name"),
    [
        pytest.param(table, name, id=f"{table.kind}-{name}")
        for table in (PRUNINGS, QUANTIZATIONS)
        for name in table.names
    ],
)

ARCHITECTURES: list[dict[str, Any]] = [
    {"simple_cnn": {"width": 0.25}},
    {"separable_cnn": {"width": 0.25}},
    {"resnet": {"blocks": 1, "width": 16}},
    {"mobilenet_v2": {"width": 0.1}},
    {"mlp": {"widths": [32, 16], "norm": "batch"}},
    {"python": {"factory": "user_nets:tiny", "args": {"hidden": 16}}},
]

NO_BLOCK = "depth pruning found no residual block that can be left out"
FEW_WEIGHTS = (
    r"weight_only int4: linear layers .* hold \d\.\d% of the weights; convolutions are not"
)
IMPOSSIBLE: dict[tuple[str, str], str] = {
    **{("depth", name): NO_BLOCK for name in ("simple_cnn", "separable_cnn", "mlp", "python")},
    **{("weight_only", n): FEW_WEIGHTS for n in ("separable_cnn", "resnet", "mobilenet_v2")},
}
"""(technique, architecture) -> the error of pairs that are infeasible."""

SLOW = {("qat", "mobilenet_v2")}


def pairs(impossible: bool) -> list[Any]:
    """Returns (table, technique, architecture) of all pairs in IMPOSSIBLE, or of all others."""
    return [
        pytest.param(
            table,
            name,
            architecture,
            id=f"{table.kind}-{name}-{network}",
            marks=[pytest.mark.slow] if (name, network) in SLOW else [],
        )
        for table in (PRUNINGS, QUANTIZATIONS)
        for name in table.names
        for architecture in ARCHITECTURES
        for network in architecture
        if ((name, network) in IMPOSSIBLE) == impossible
    ]


PAIRS = pytest.mark.parametrize(("table", "name", "architecture"), pairs(impossible=False))

PARAMS: dict[str, dict[str, Any]] = {
    "structured": {"ratio": 0.5, "round_to": 4},
    "depth": {"share": 0.5, "images": 8},
    "unstructured": {"ratio": 0.5},
    "qat": {"epochs": 1, "batch_size": 12, "images": 24},
    "weight_only": {"bits": 4, "block": 16},
}
"""Parameters with which a technique has an effect."""


def made(architecture: dict[str, Any]) -> Candidate:
    return initial_candidate(architecture, SHAPE, CLASSES, seed=0)


def applied(table: Table, name: str, candidate: Candidate, context: Context) -> Candidate:
    technique = table.get(name)
    params = technique.Params.model_validate(PARAMS.get(name, {}))
    after: Candidate = technique.apply(candidate, params, context)
    return after


Once = Callable[[Table, str, dict[str, Any]], Candidate]


@pytest.fixture(scope="module")
def once(context: Context) -> Once:
    """`once(table, name, architecture)` applies a technique once for all tests that only read."""
    kept: dict[tuple[str, str, str], Candidate] = {}

    def shared(table: Table, name: str, architecture: dict[str, Any]) -> Candidate:
        key = (table.kind, name, json.dumps(architecture))
        if key not in kept:
            kept[key] = applied(table, name, made(architecture), context)
        return kept[key]

    return shared


@PAIRS
def test_technique_keeps_the_shape_of_input_and_output(
    table: Table, name: str, architecture: dict[str, Any], once: Once
) -> None:
    after = once(table, name, architecture)
    with torch.inference_mode():
        logits = after.model(torch.rand(5, *SHAPE))
    assert logits.shape == (5, CLASSES)
    assert logits.isfinite().all()
    assert (after.shape, after.outputs.size) == (SHAPE, CLASSES)
    assert not after.model.training


@PAIRS
def test_technique_does_not_change_its_input(
    table: Table, name: str, architecture: dict[str, Any], context: Context
) -> None:
    before = made(architecture)
    weights = copy.deepcopy(before.model.state_dict())
    description = (before.history, before.quantization, repr(before.model))
    random = torch.get_rng_state()
    applied(table, name, before, context)
    assert (before.history, before.quantization, repr(before.model)) == description
    assert all(torch.equal(t, weights[n]) for n, t in before.model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in before.model.parameters())
    assert torch.equal(torch.get_rng_state(), random)


@PAIRS
def test_technique_gives_the_same_result_for_the_same_seed(
    table: Table, name: str, architecture: dict[str, Any], context: Context, once: Once
) -> None:
    first = once(table, name, architecture)
    torch.rand(7)  # changes the state of the global generator
    second = applied(table, name, made(architecture), context)
    assert first.history == second.history
    assert first.quantization == second.quantization
    first_weights, second_weights = first.model.state_dict(), second.model.state_dict()
    assert list(first_weights) == list(second_weights)
    assert all(torch.equal(first_weights[key], second_weights[key]) for key in first_weights)


@PAIRS
def test_technique_can_be_rebuilt_from_its_history_as_json(
    table: Table, name: str, architecture: dict[str, Any], once: Once
) -> None:
    after = once(table, name, architecture)
    text = json.dumps([vars(step) for step in after.history], allow_nan=False)
    history = [Step(**step) for step in json.loads(text)]
    fresh = rebuild(history, SHAPE, CLASSES)
    fresh.load_state_dict(after.model.state_dict(), strict=True)
    images = torch.rand(5, *SHAPE)
    with torch.inference_mode():
        assert torch.equal(fresh.eval()(images), after.model(images))


@PAIRS
def test_outline_of_an_untrained_network_has_the_shapes_that_apply_gives(
    table: Table, name: str, architecture: dict[str, Any], context: Context
) -> None:
    technique = table.get(name)
    if not hasattr(technique, "outline"):
        assert name == "none", "a plan has no stage with the technique none"
        return
    params = technique.Params.model_validate(PARAMS.get(name, {}))
    untrained = initial_candidate(architecture, SHAPE, CLASSES, seed=1)  # other weights
    outlined = technique.outline(untrained, params, context)
    if name == "depth":
        assert outlined is None, "trained weights decide which blocks are removed"
        params = params.model_copy(update={"criterion": "last"})
        outlined = technique.outline(untrained, params, context)
    after = technique.apply(made(architecture), params, context)
    shapes = [
        {name: tuple(p.shape) for name, p in c.model.named_parameters()} for c in (outlined, after)
    ]
    assert shapes[0] == shapes[1]
    assert len(outlined.history) == len(untrained.history) + 1


@TECHNIQUES
def test_technique_adds_one_step_to_the_history_unless_it_is_none(
    table: Table, name: str, context: Context
) -> None:
    candidate = made({"resnet": {"blocks": 2, "width": 8}})
    if (name, "resnet") in IMPOSSIBLE:
        candidate = made({"simple_cnn": {"width": 0.25}})
    after = applied(table, name, candidate, context)
    if name == "none":
        assert after is candidate
        return
    assert after.history[:-1] == candidate.history
    step = after.history[-1]
    assert step.technique == name
    assert table.get(name).Params.model_validate(step.params).model_dump() == step.params


@pytest.mark.parametrize(("table", "name", "architecture"), pairs(impossible=True))
def test_technique_is_infeasible_with_a_reason_when_it_cannot_be_applied(
    table: Table, name: str, architecture: dict[str, Any], context: Context
) -> None:
    [network] = architecture
    with pytest.raises(InfeasibleCandidate, match=IMPOSSIBLE[name, network]):
        applied(table, name, made(architecture), context)
