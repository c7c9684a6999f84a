"""The text transformer: its contract, parameter counts, padding, and techniques applied to it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from paretune.inputs import Tokens
from paretune.objectives.macs import count_macs
from paretune.spaces.architecture.network import build_network
from paretune.spaces.architecture.text_transformer import TextTransformer
from paretune.spaces.base import Context, InfeasibleCandidate, Step
from paretune.spaces.pruning import PRUNINGS
from paretune.spaces.quantization import QUANTIZATIONS
from paretune.spaces.rebuild import initial_candidate, rebuild

SHAPE, CLASSES = Tokens(16, 50), 3

VARIANTS = pytest.mark.parametrize(
    "variant",
    [
        {},
        {"share": "all", "layers": 3, "embedding": 8},
        {"pooling": "cls", "heads": 2, "mlp_ratio": 2.0},
    ],
    ids=["plain", "albert", "cls"],
)


def network(**params: Any) -> torch.nn.Module:
    architecture = {"text_transformer": {"width": 32, **params}}
    return build_network(architecture, SHAPE, CLASSES, seed=0)


def ids(count: int = 4, filled: int = 16) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(1, SHAPE[1], (count, SHAPE[0]), generator=generator)
    tokens[:, filled:] = 0
    return tokens


def size_of(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@VARIANTS
def test_network_gives_a_logit_for_each_class(variant: dict[str, Any]) -> None:
    with torch.inference_mode():
        logits = network(**variant)(ids())
    assert logits.shape == (4, CLASSES) and logits.isfinite().all()


@VARIANTS
def test_network_has_finite_gradients_for_all_parameters(variant: dict[str, Any]) -> None:
    model = network(**variant).train()
    model(ids()).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@VARIANTS
def test_network_has_the_same_weights_only_for_the_same_seed(variant: dict[str, Any]) -> None:
    def weights(seed: int) -> torch.Tensor:
        architecture = {"text_transformer": {"width": 32, **variant}}
        model = build_network(architecture, SHAPE, CLASSES, seed=seed)
        return torch.cat([p.flatten() for p in model.parameters()])

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))


@VARIANTS
def test_logits_do_not_depend_on_the_embedding_of_padding(variant: dict[str, Any]) -> None:
    model = network(**variant)
    with torch.no_grad():
        before = model(ids(filled=9))
        model.get_parameter("tokens.weight")[0] = 7.0
        model.get_parameter("positions")[:, 9:] += 5.0
        assert torch.allclose(model(ids(filled=9)), before, atol=1e-6)
        assert not torch.allclose(model(ids()), before, atol=1e-3)


def test_text_of_padding_alone_has_finite_logits() -> None:
    with torch.inference_mode():
        assert network()(torch.zeros(2, 16, dtype=torch.int64)).isfinite().all()


@pytest.mark.parametrize("layers", [1, 4])
@pytest.mark.parametrize("share", ["none", "all"])
@pytest.mark.parametrize("embedding", [None, 8])
def test_network_has_the_parameter_count_of_its_formula(
    layers: int, share: Any, embedding: Any
) -> None:
    """ALBERT stores V x E + E x W instead of V x W, and one layer's weights for all layers."""
    width, hidden = 32, 128
    model = network(layers=layers, share=share, embedding=embedding)
    tokens = 50 * embedding + embedding * width if embedding else 50 * width
    block = 4 * (width**2 + width) + 2 * width * hidden + hidden + width + 4 * width
    blocks = block * (1 if share == "all" else layers)
    head = 2 * width + width * CLASSES + CLASSES
    assert size_of(model) == tokens + 16 * width + blocks + head


def test_shared_layers_save_parameters_but_no_macs() -> None:
    separate, shared = network(layers=4), network(layers=4, share="all")
    assert count_macs(separate, SHAPE) == count_macs(shared, SHAPE)
    assert size_of(shared) < size_of(separate) / 2


def test_macs_equal_the_formula() -> None:
    width, hidden, length = 32, 128, 16
    block = length * (4 * width**2 + 2 * width * hidden) + 2 * length**2 * width
    assert count_macs(network(layers=2), SHAPE) == 2 * block + width * CLASSES


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ValidationError, match="heads must divide the width: 30 is not a multipl"):
        TextTransformer.Params(width=30, heads=4)


def test_text_transformer_is_infeasible_for_images() -> None:
    with pytest.raises(InfeasibleCandidate, match="text_transformer takes text, but the data"):
        build_network({"text_transformer": {}}, (1, 8, 8), 3, seed=0)


@VARIANTS
@pytest.mark.parametrize(
    ("table", "name", "params"),
    [
        (PRUNINGS, "structured", {"ratio": 0.5, "round_to": 4}),
        (PRUNINGS, "unstructured", {"ratio": 0.5}),
        (QUANTIZATIONS, "dynamic", {}),
        (QUANTIZATIONS, "static", {}),
    ],
    ids=["structured", "unstructured", "dynamic", "static"],
)
def test_technique_can_be_applied_and_rebuilt(
    table: Any, name: str, params: dict[str, Any], variant: dict[str, Any]
) -> None:
    technique = table.get(name)
    before = initial_candidate(
        {"text_transformer": {"width": 32, **variant}}, SHAPE, CLASSES, seed=0
    )
    after = technique.apply(before, technique.Params.model_validate(params), Context(None))  # type: ignore[arg-type]
    history = [Step(**s) for s in json.loads(json.dumps([vars(s) for s in after.history]))]
    fresh = rebuild(history, SHAPE, CLASSES)
    fresh.load_state_dict(after.model.state_dict(), strict=True)
    with torch.inference_mode():
        assert torch.equal(fresh.eval()(ids()), after.model(ids()))
    if name == "structured":
        assert size_of(after.model) < 0.75 * size_of(before.model)
