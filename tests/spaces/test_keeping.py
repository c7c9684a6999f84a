"""Layers that a task keeps: no pruning and no quantization changes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from paretune.inputs import Shape, random_example
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.keeping import kept_modules, kept_part
from paretune.spaces.pruning.depth import Depth
from paretune.spaces.pruning.layer_names import prunable_layer_names
from paretune.spaces.pruning.semi_structured import SemiStructured
from paretune.spaces.pruning.structured import Structured
from paretune.spaces.pruning.unstructured import Unstructured
from paretune.spaces.quantization.dynamic import Dynamic
from paretune.spaces.quantization.qat import Qat
from paretune.spaces.quantization.static import Static
from paretune.spaces.quantization.weight_only import WeightOnly
from paretune.spaces.rebuild import initial_candidate
from paretune.task import Outputs
from support.user_networks import USER_NETWORKS, KeywordSpotter

ANY = Outputs(0, "any")


def candidate(name: str, *keep: str) -> Candidate:
    torch.manual_seed(0)
    example = USER_NETWORKS[name]
    return Candidate(example.make().eval(), example.shape, ANY, keep=keep)


class Noise:
    """Inputs of noise without targets."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def batches(self, part: str, size: int, **options: Any) -> Iterator[tuple[Any, Any]]:
        yield random_example(self.shape, min(size, 8), 0), None


def context(of: Candidate) -> Context:
    return Context(Noise(of.shape), placement=OnnxRuntime.placement)  # type: ignore[arg-type]


def weights(model: nn.Module, *modules: str) -> dict[str, torch.Tensor]:
    state = model.state_dict()
    return {n: t for n, t in state.items() if any(n.startswith(f"{m}.") for m in modules)}


def assert_untouched(before: Candidate, after: Candidate, *modules: str) -> None:
    own, other = weights(before.model, *modules), weights(after.model, *modules)
    assert own
    assert own.keys() == other.keys()
    assert all(torch.equal(own[name], other[name]) for name in own)


# -- patterns ----------------------------------------------------------------------------------


def test_patterns_name_modules_with_all_inside_them() -> None:
    model = USER_NETWORKS["detector_tuple"].make()
    assert kept_modules(model, ["head*"]) == ["heads"]
    assert kept_modules(model, ["heads.0.*s", "c1"]) == ["c1", "heads.0.classes", "heads.0.boxes"]
    assert kept_modules(model, []) == []


@pytest.mark.parametrize(
    ("pattern", "near"), [("haed*", "head"), ("stem.9", "stem.0"), ("stem.2", "stem.0")]
)
def test_pattern_that_names_no_layer_is_infeasible(pattern: str, near: str) -> None:
    reason = f'keep: the network has no layer with weights named "{pattern}"; the nearest are '
    with pytest.raises(InfeasibleCandidate, match=f"{re.escape(reason)}.*{near}"):
        kept_modules(KeywordSpotter(), [pattern])


def test_first_candidate_refuses_a_pattern_that_names_nothing() -> None:
    architecture = {"python": "support.user_networks:KeywordSpotter"}
    with pytest.raises(InfeasibleCandidate, match=r'no layer with weights named "haed"; .*head'):
        initial_candidate(architecture, (20, 32), 5, seed=0, keep=("haed",))


@pytest.mark.parametrize(
    ("name", "part"), [("a.b", "a.b"), ("a.b.c", "a.b"), ("a", "a.b"), ("a.bc", None), ("b", None)]
)
def test_kept_part_is_inside_or_around_a_module(name: str, part: str | None) -> None:
    assert kept_part(name, ["a.b"]) == part


# -- pruning -----------------------------------------------------------------------------------


def test_structured_pruning_leaves_kept_heads_and_their_inputs() -> None:
    before = candidate("detector_tuple", "heads*")
    after = Structured.apply(before, Structured.Params(ratio=0.5, round_to=1), context(before))
    assert_untouched(before, after, "heads")
    info = after.history[-1].info
    assert info["channels"]["c1.0"] == [12, 6]
    assert not {"smooth.0", "smooth.1", "heads.0.tower.0"} & set(info["channels"])
    assert info["kept_whole"]["smooth.0"] == "it shares channels with heads, which `keep` names"
    assert info["kept_whole"]["heads.0.tower.0"] == "`keep` names it"


def test_group_stays_when_one_of_its_layers_is_kept() -> None:
    """`down` and `pointwise` are added, and `pointwise` is kept."""
    before = candidate("keywords", "pointwise")
    after = Structured.apply(before, Structured.Params(ratio=0.5, round_to=1), context(before))
    info = after.history[-1].info
    assert info["channels"] == {"stem.0": [24, 12]}
    assert info["kept_whole"] == {"down": "it shares channels with pointwise, which `keep` names"}


def test_structured_pruning_without_a_free_layer_names_the_kept_ones() -> None:
    before = candidate("positions", "*")
    with pytest.raises(InfeasibleCandidate, match=r"found no layer it can prune: third \(`keep`"):
        Structured.apply(before, Structured.Params(ratio=0.5), context(before))


def test_per_layer_ratio_of_a_kept_layer_is_infeasible() -> None:
    before = candidate("positions", "first")
    params = Structured.Params(per_layer={"first": 0.5, "third": 0.5})
    with pytest.raises(InfeasibleCandidate, match="first cannot lose channels: `keep` names it"):
        Structured.apply(before, params, context(before))


def test_heads_of_a_kept_attention_stay() -> None:
    before = candidate("decoder", "blocks.0.output", "blocks.1")
    after = Structured.apply(before, Structured.Params(ratio=0.5, round_to=1), context(before))
    assert_untouched(before, after, "blocks.1", "blocks.0.output", "blocks.0.query")
    assert set(after.history[-1].info["heads"]) == {"blocks.2"}
    widths = after.history[-1].info["channels"]
    assert {name for name in widths if name.endswith("up")} == {"blocks.0.up", "blocks.2.up"}


def test_depth_pruning_leaves_kept_blocks() -> None:
    before = candidate("decoder", "blocks.2*")
    after = Depth.apply(before, Depth.Params(share=1.0, criterion="last"), context(before))
    assert after.history[-1].info["removed"] == [["blocks.1", False], ["blocks.0", False]]


@pytest.mark.parametrize("technique", [Unstructured, SemiStructured])
def test_single_weights_of_kept_layers_stay(technique: Any) -> None:
    before = candidate("decoder", "head", "blocks.0")
    options = {"ratio": 0.5} if technique is Unstructured else {}
    after = technique.apply(before, technique.Params(**options), context(before))
    assert_untouched(before, after, "head", "blocks.0", "embed")
    zeros = set(after.history[-1].info["zeros"])
    assert "blocks.1.up.weight" in zeros
    assert not any(name.startswith(("head", "blocks.0")) for name in zeros)


def test_unstructured_pruning_of_kept_layers_alone_is_infeasible() -> None:
    before = candidate("positions", "*")
    with pytest.raises(InfeasibleCandidate, match=r"layer to prune outside first, second, .*keep"):
        Unstructured.apply(before, Unstructured.Params(ratio=0.5), context(before))


def test_prunable_layer_names_leave_kept_layers_out() -> None:
    architecture = {"python": "support.user_networks:KeywordSpotter"}
    names = prunable_layer_names(architecture, (20, 32), 5)
    kept = prunable_layer_names(architecture, (20, 32), 5, keep=("stem*",))
    assert names == ["stem.0", "down"]
    assert kept == ["down"]


# -- quantization ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("technique", "options"),
    [(Dynamic, {}), (Static, {"images": 8}), (WeightOnly, {"block": 16})],
)
def test_request_names_the_kept_modules(technique: Any, options: dict[str, Any]) -> None:
    before = candidate("decoder", "blocks.0*")
    after = technique.apply(before, technique.Params(**options), context(before))
    [request] = after.quantization.values()  # type: ignore[union-attr]
    assert request["keep"] == ["blocks.0"]
    assert after.history[-1].info["keep"] == ["blocks.0"]
    free = technique.apply(replace(before, keep=()), technique.Params(**options), context(before))
    [request] = free.quantization.values()  # type: ignore[union-attr]
    assert "keep" not in request


def test_weight_only_counts_kept_layers_as_float() -> None:
    before = candidate("positions", "second", "third")
    with pytest.raises(InfeasibleCandidate, match=r"2\.1% of the weights outside second, third"):
        WeightOnly.apply(before, WeightOnly.Params(block=16), context(before))


def test_qat_does_not_round_kept_layers() -> None:
    before = candidate("keywords", "head", "stem*")
    outline = Qat.outline(before, Qat.Params(), context(before))
    assert outline is not None
    assert outline.history[-1].info["layers"] == ["down", "depthwise", "pointwise"]
    assert outline.quantization["qat"]["keep"] == ["stem", "head"]  # type: ignore[index]


def test_most_sensitive_layers_are_chosen_among_those_that_are_not_kept() -> None:
    before = candidate("positions", "first", "head")
    after = Static.apply(before, Static.Params(keep_float=1), context(before))
    assert set(after.history[-1].info["kept"]) <= {"second", "third"}
    with pytest.raises(InfeasibleCandidate, match="keep_float: 2 leaves nothing to quantize"):
        Static.apply(before, Static.Params(keep_float=2), context(before))
