"""Every network is compared with its file on other inputs than the exporter's example."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from paretune.objectives.errors import Unmeasurable
from paretune.search.building.export_probe import UntrainedNetwork
from paretune.search.building.probe_inputs import probe_inputs, sample
from paretune.search.study.deployment import Deployment
from paretune.search.study.tables import RUNTIMES
from paretune.spaces.base import Candidate
from support import odd_networks as odd


def untrained(network: type[torch.nn.Module], text: bool = False) -> UntrainedNetwork:
    data: Any = odd.OddData(text)
    torch.manual_seed(0)
    candidate = Candidate(network().eval(), data.shape, odd.CLASSES)
    inputs = probe_inputs(sample(data).inputs, data)
    return UntrainedNetwork(lambda: candidate, inputs, lambda text: "exporter.log")


def deployment(runtime: str) -> Deployment:
    return Deployment(None, runtime, RUNTIMES.get(runtime).Params())


def reason(network: type[torch.nn.Module], runtime: str, text: bool = False) -> str:
    """Returns why the network is refused; empty if it is not."""
    try:
        untrained(network, text).check(deployment(runtime), complete=True)
    except Unmeasurable as error:
        return str(error)
    return ""


SLOW = pytest.param("torch_export", marks=pytest.mark.slow)


@pytest.mark.parametrize("runtime", ["onnxruntime", "torchscript", SLOW])
@pytest.mark.parametrize("network", odd.BAKED, ids=lambda network: network.__name__)
def test_network_with_something_baked_in_is_refused_with_its_line(
    network: type[torch.nn.Module], runtime: str
) -> None:
    text = reason(network, runtime)
    assert odd.marked_line(network) in text
    assert "\n" not in text
    assert "What to change: " in text or "in the network, " in text


@pytest.mark.parametrize("runtime", ["onnxruntime", "torchscript"])
@pytest.mark.parametrize("network", odd.RIGHT, ids=lambda network: network.__name__)
def test_network_whose_file_is_right_is_accepted(
    network: type[torch.nn.Module], runtime: str
) -> None:
    assert reason(network, runtime) == ""


@pytest.mark.parametrize("runtime", ["onnxruntime", "torchscript", SLOW])
def test_text_network_with_a_padding_mask_is_accepted(runtime: str) -> None:
    assert reason(odd.MaskedText, runtime, text=True) == ""


@pytest.mark.parametrize(
    ("network", "words"),
    [
        *[(network, "the network is random in evaluation mode") for network in odd.RANDOM],
        *[(network, "the network remembers earlier inputs") for network in odd.REMEMBERING],
        *[(network, "depend on the other examples of its batch") for network in odd.MIXING],
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_network_that_is_no_function_of_each_example_is_refused_with_its_line(
    network: type[torch.nn.Module], words: str
) -> None:
    text = reason(network, "onnxruntime")
    assert words in text
    assert odd.marked_line(network) in text
    assert "What to change: " in text


def test_text_network_that_cuts_at_the_longest_text_of_a_batch_is_refused() -> None:
    text = reason(odd.MeanOfCut, "onnxruntime", text=True)
    assert "depend on the other examples of its batch" in text
    assert odd.marked_line(odd.MeanOfCut) in text


@pytest.mark.parametrize(
    ("network", "runtime", "words"),
    [
        (odd.IntInView, "onnxruntime", "the export fixes the batch at 1; for a batch of 2"),
        (odd.IntInView, "torchscript", "the export fixes the batch at 2; for a batch of 1"),
        (odd.LoopOverBatch, "onnxruntime", "gives outputs of shape [1, 10], not [2, 10]"),
        (odd.LoopOverBatch, "torchscript", "gives outputs of shape [2, 10], not [5, 10]"),
        (odd.LoopOverBatch, "torch_export", "it fixes the batch at 2"),
        (odd.ItemAsScale, "onnxruntime", "(the darkest image), the file computes something else"),
        (odd.NumberOfBatch, "onnxruntime", "and decides `if top > 1.0` (line "),
    ],
)
def test_reason_says_what_was_baked_in(
    network: type[torch.nn.Module], runtime: str, words: str
) -> None:
    assert words in reason(network, runtime)


def test_layer_without_code_of_the_user_is_named() -> None:
    class Sequence(torch.nn.Sequential):
        def __init__(self) -> None:
            norm = torch.nn.BatchNorm2d(1, track_running_stats=False)
            super().__init__(norm, torch.nn.Flatten(), torch.nn.Linear(64, odd.CLASSES))

    assert "they part at 0 (BatchNorm2d)" in reason(Sequence, "onnxruntime")


def test_network_that_fails_for_one_example_is_refused() -> None:
    class NeedsTwo(odd.Base):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if len(x) < 2:
                raise ValueError("more than one, please")
            return self.head(x)

    text = reason(NeedsTwo, "onnxruntime")
    assert text.startswith("the network fails for a batch of 1 (the darkest image): ValueError: ")


def test_network_that_squeezes_a_batch_of_one_is_refused() -> None:
    class Squeezing(odd.Base):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(torch.relu(self.conv(x)).mean((2, 3), keepdim=True).squeeze())

    text = reason(Squeezing, "onnxruntime")
    assert text.startswith("the network fails for a batch of 1 (the darkest image): ")
    assert "its outputs have the shape [10], and the first axis must be the batch of 1" in text
    assert "also drops the dimension of a batch of 1" in text


@pytest.mark.parametrize(
    "forward",
    [
        lambda self, x: self.head(x - x.mean()),
        lambda self, x: self.head(x).softmax(0),
        lambda self, x: self.head(x) + x.sort(dim=0).values.mean((1, 2, 3))[:, None],
    ],
    ids=["mean", "softmax over the batch", "sort along the batch"],
)
def test_further_ways_to_mix_a_batch_are_refused(forward: Any) -> None:
    network = type("Mixing", (odd.Base,), {"forward": forward})
    assert "depend on the other examples of its batch" in reason(network, "onnxruntime")


def test_normalization_that_stays_in_training_mode_is_refused() -> None:
    class AlwaysTraining(odd.Base):
        def __init__(self) -> None:
            super().__init__()
            self.norm = torch.nn.BatchNorm2d(1)

        def train(self, mode: bool = True) -> AlwaysTraining:
            super().train(mode)
            self.norm.train()
            return self

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.norm(x))

    text = reason(AlwaysTraining, "onnxruntime")
    assert "depend on the other examples of its batch" in text
    assert "norm (BatchNorm2d)" in text


@pytest.mark.parametrize(
    "forward",
    [
        lambda self, x: self.head(torch.where(x.mean((1, 2, 3), keepdim=True) > 0.3, -x, x)),
        lambda self, x: self.head(x / x.amax(dim=(1, 2, 3), keepdim=True).clamp(min=0.1)),
        lambda self, x: self.head(x.view(x.shape[0], -1).view(x.shape[0], 1, 8, 8)),
        lambda self, x: self.head(x - x.mean((1, 2, 3), keepdim=True)).squeeze(-1),
    ],
    ids=["where", "amax", "shape in view", "mean of each"],
)
def test_what_reasons_advise_is_accepted(forward: Any) -> None:
    network = type("Advised", (odd.Base,), {"forward": forward})
    for runtime in ("onnxruntime", "torchscript"):
        assert reason(network, runtime) == ""


def test_network_without_finite_outputs_is_refused() -> None:
    class Logarithm(odd.Base):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(x) + torch.log(-x.square().sum((1, 2, 3), keepdim=True)[:, :, 0, 0])

    assert reason(Logarithm, "onnxruntime") == (
        "the outputs of the network are not finite for any of the examples"
    )


def test_partial_probe_compares_what_the_program_computes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runtime = RUNTIMES.get("torch_export")
    network = untrained(odd.DeviceConstant)
    network.check(deployment("torch_export"), complete=False)
    probe = runtime.probe
    monkeypatch.setattr(
        runtime, "probe", lambda *arguments: lambda inputs: 1.01 * probe(*arguments)(inputs)
    )
    with pytest.raises(Unmeasurable, match="the file computes something else than the network"):
        network.check(deployment("torch_export"), complete=False)
