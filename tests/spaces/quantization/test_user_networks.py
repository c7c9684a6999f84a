"""int8 for networks of several tasks: ranges, sensitivity, and what cannot be traced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from paretune.inputs import Input, Shape, Signature, call, example, random_example, signature_of
from paretune.nests import leaves, mapped
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.output_layers import float_outputs
from paretune.spaces.quantization.graph import activations, traced
from paretune.spaces.quantization.qat import Qat
from paretune.spaces.quantization.sensitivity import HIGHEST, sensitivity
from paretune.task import Outputs
from support.user_networks import USER_NETWORKS, Decoder, FeaturesToo, TwoInputs

QUICK = ("keywords", "two_named_inputs", "decoder", "detector_dict")

NAMES = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
    for name in USER_NETWORKS
    if name != "untied_decoder"  # returns an object
]


@dataclass(frozen=True)
class Noise:
    """Inputs of noise."""

    shape: Shape

    def batches(self, part: str, size: int, **options: Any) -> Iterator[tuple[Any, Any]]:
        for seed in range(2):
            yield random_example(self.shape, min(size, 16), seed), None


def made(name: str) -> tuple[Candidate, Context]:
    torch.manual_seed(0)
    of = USER_NETWORKS[name]
    candidate = Candidate(of.make().eval(), of.shape, Outputs(0, "any"))
    return candidate, Context(Noise(of.shape), placement=OnnxRuntime.placement)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_network_with_rounding_gives_what_its_int8_file_gives(name: str, tmp_path: Path) -> None:
    before, context = made(name)
    after = Qat.outline(before, Qat.Params(), context)
    assert after is not None
    layers = after.history[-1].info["layers"]
    float_only = ("embed", "positions", "users", "items", "rnn")
    weighted = {n for n, m in before.model.named_modules() if isinstance(m, nn.Linear | nn.Conv1d)}
    assert weighted - {"embed"} <= set(layers)
    assert not set(layers) & set(float_only)

    batches = (mapped(random_example(before.shape, 8, s), torch.Tensor.numpy) for s in range(2))
    path = tmp_path / "int8.onnx"
    OnnxRuntime.export(after.model, before.shape, path, after.quantization, batches)
    session = OnnxRuntime.load(path, OnnxRuntime.Params())
    inputs = random_example(before.shape, 4, seed=7)
    outputs = session(*signature_of(before.shape).flat(mapped(inputs, torch.Tensor.numpy)))
    with torch.inference_mode():
        expected = float_outputs(call(after.model.eval(), inputs))
    for output, rounded in zip(
        outputs if isinstance(outputs, tuple) else (outputs,), expected, strict=True
    ):
        difference = np.abs(output - rounded.numpy()).max()
        assert difference < 0.06 * float(rounded.abs().max())


@pytest.mark.parametrize("name", ["keywords", "detector_dict", "two_named_inputs", "decoder"])
def test_sensitivity_measures_every_layer_that_runs(name: str) -> None:
    before, context = made(name)
    ratios = sensitivity(before, context, True, True)
    kinds = nn.Linear | nn.modules.conv._ConvNd
    assert set(ratios) == {n for n, m in before.model.named_modules() if isinstance(m, kinds)}
    assert all(5 < ratio < HIGHEST for ratio in ratios.values())


def test_sensitivity_is_that_of_the_output_that_suffers_most() -> None:
    """A large output that a layer does not compute hides no error of a small one."""

    class Two(nn.Module):
        def __init__(self, both: bool) -> None:
            super().__init__()
            self.small, self.both = nn.Linear(4, 2), both

        def forward(self, x: torch.Tensor) -> Any:
            small = self.small(x)
            return {"large": 1000.0 + x, "small": small} if self.both else small

    ratios = []
    for both in (False, True):
        torch.manual_seed(0)
        candidate = Candidate(Two(both).eval(), (4,), Outputs(0, "any"))
        context = Context(Noise((4,)))  # type: ignore[arg-type]
        ratios.append(sensitivity(candidate, context, True, True)["small"])
    assert ratios[0] == ratios[1]


@pytest.mark.parametrize("form", ["tuple", "dict"])
def test_graph_takes_the_inputs_in_their_form_without_optional_arguments(form: str) -> None:
    model = TwoInputs(form).eval()
    shape = USER_NETWORKS["two_inputs" if form == "tuple" else "two_named_inputs"].shape
    graph = traced(model, shape)
    assert [n.target for n in graph.graph.nodes if n.op == "placeholder"] == ["image", "features"]
    assert activations(graph, shape)[:2] == ["image", "features"]
    inputs = example(shape, 3)
    with torch.inference_mode():
        for own, other in zip(
            leaves(call(graph, inputs)), leaves(call(model, inputs)), strict=True
        ):
            torch.testing.assert_close(own, other)


def test_inputs_of_another_order_are_passed_by_their_names() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 4)

        def forward(
            self, first: torch.Tensor, mask: torch.Tensor | None = None, *, last: torch.Tensor
        ) -> torch.Tensor:
            if mask is not None:
                first = first * mask
            return self.linear(first) * last

    shape = Signature((Input("last", (4,)), Input("first", (4,))), "dict")
    graph = traced(Named().eval(), shape)
    assert activations(graph, shape) == ["first", "last", "linear", "mul"]


class Deciding(nn.Module):
    """Looks at values of its second input."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor, switch: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.linear(x)
        return y if switch.sum() > 0 else -y  # here


def test_refusal_to_trace_names_the_line_and_another_way() -> None:
    shape = Signature((Input("x", (4,)), Input("switch", ())), "tuple")
    with pytest.raises(InfeasibleCandidate) as error:
        traced(Deciding(), shape)
    lines = Path(__file__).read_text().splitlines()
    number = next(i for i, line in enumerate(lines, 1) if line.endswith("# here"))
    assert f"({Path(__file__).name}, line {number}); quantize with static" in str(error.value)


def test_network_that_cannot_be_traced_is_refused_before_training_with_layers_in_float() -> None:
    shape = Signature((Input("x", (4,)), Input("switch", ())), "tuple")
    candidate = Candidate(Deciding().eval(), shape, Outputs(0, "any"))
    context = Context(Noise(shape), placement=OnnxRuntime.placement)  # type: ignore[arg-type]
    for keep_float in (0, 1):
        with pytest.raises(InfeasibleCandidate, match=r"qat: torch\.fx cannot trace the network"):
            Qat.outline(candidate, Qat.Params(keep_float=keep_float), context)


def test_forward_with_open_arguments_is_refused_in_words() -> None:
    class Open(nn.Module):
        def forward(self, x: torch.Tensor, **more: Any) -> torch.Tensor:
            return x.relu() if not more else x

    with pytest.raises(InfeasibleCandidate, match=r"qat: torch\.fx cannot trace the network: "):
        traced(Open(), (4,))


def test_output_that_is_read_again_keeps_its_range_in_training() -> None:
    torch.manual_seed(0)
    shape = (3, 16, 16)
    candidate = Candidate(FeaturesToo().eval(), shape, Outputs(0, "any"))
    context = Context(Noise(shape), placement=OnnxRuntime.placement)  # type: ignore[arg-type]
    after = Qat.outline(candidate, Qat.Params(), context)
    assert after is not None
    inputs = random_example(shape, 8, seed=5)
    with torch.inference_mode():
        own, other = (leaves(call(c.model.eval(), inputs))[0] for c in (candidate, replace(after)))
    assert float(own.min()) < 0
    assert float((own - other).abs().max()) < 0.1 * float(own.abs().max())


def test_object_among_the_outputs_is_refused_in_words() -> None:
    candidate = Candidate(Decoder(False, "output").eval(), USER_NETWORKS["decoder"].shape, 0)
    with pytest.raises(InfeasibleCandidate, match=r"torch\.fx cannot trace .*; quantize with stat"):
        traced(candidate.model, candidate.shape)
