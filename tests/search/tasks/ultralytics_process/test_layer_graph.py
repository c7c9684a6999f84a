"""A network as a list of layers and calls, and the network that is built again from it."""

import copy
import json

import pytest
import torch
from torch import nn

from paretune.search.tasks.ultralytics_process.layer_graph import (
    UntraceableNetwork,
    graph_of,
    network_of,
)


class Split(nn.Module):
    """Splits channels, as CSP blocks of detectors do, and keeps all parts."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 2 * channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(2 * channels, eps=1e-3, momentum=0.03)
        self.act = nn.SiLU(inplace=True)
        self.inner = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.out = nn.Conv2d(4 * channels, channels, 1)

    def forward(self, x):
        parts = list(self.act(self.norm(self.conv(x))).chunk(2, 1))
        parts.extend(layer(parts[-1]) for layer in self.inner)
        return self.out(torch.cat(parts, 1))


class Attention(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)

    def forward(self, x):
        batch, channels, height, width = x.shape
        q, k, v = self.qkv(x).flatten(2).split([channels, channels, channels], dim=1)
        scores = (q.transpose(-2, -1) @ k).softmax(dim=-1)
        return x + (v @ scores.transpose(-2, -1)).view(batch, channels, height, width)[:, :, ::1]


class Detector(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(inplace=True))
        self.split, self.attention = Split(8), Attention(8)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.heads = nn.ModuleDict({"boxes": nn.Conv2d(8, 4, 1), "scores": nn.Conv2d(8, 2, 1)})

    def forward(self, x):
        x = self.up(self.attention(self.split(self.stem(x))))
        return {name: head(x) for name, head in self.heads.items()}


def rebuilt(network: nn.Module) -> nn.Module:
    """Returns the network after its list went through JSON."""
    again = network_of(json.loads(json.dumps(graph_of(network))))
    again.load_state_dict(network.state_dict())
    return again


@pytest.mark.parametrize("training", [False, True])
def test_network_built_again_gives_equal_outputs_and_gradients(training):
    torch.manual_seed(0)
    network = Detector().train(training)
    again = rebuilt(network).train(training)
    images = torch.randn(2, 3, 16, 16)

    expected, outputs = network(images), again(images)
    assert list(outputs) == ["boxes", "scores"]
    assert all(torch.equal(outputs[name], expected[name]) for name in expected)

    for each in (expected, outputs):
        sum(value.square().sum() for value in each.values()).backward()
    gradients = dict(again.named_parameters())
    for name, parameter in network.named_parameters():
        assert torch.equal(gradients[name].grad, parameter.grad), name


def test_layers_keep_their_names_and_options():
    network = Detector()
    again = rebuilt(network)

    assert set(again.state_dict()) == set(network.state_dict())
    norm = again.get_submodule("split.norm")
    assert (norm.eps, norm.momentum) == (1e-3, 0.03)
    assert again.get_submodule("split.conv").bias is None
    assert again.get_submodule("split.act").inplace is False  # equal, and safe for hooks


def test_copies_and_other_sizes_work():
    again = copy.deepcopy(rebuilt(Detector()))

    assert again(torch.zeros(3, 3, 32, 24))["boxes"].shape == (3, 4, 32, 24)


def test_network_built_again_can_be_pruned_and_exported(tmp_path):
    import numpy as np

    from paretune.inputs import random_example
    from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
    from paretune.spaces.pruning.whole_layers import whole_layers

    network = rebuilt(Detector()).eval()
    whole = whole_layers(network, (3, 16, 16))
    assert "split.out" in whole  # the attention splits its channels by numbers
    assert not {"stem.0", "split.inner.0", "split.inner.1"} & set(whole)

    images = random_example((3, 16, 16), 2, seed=0)
    artifact = OnnxRuntime.export(network, (3, 16, 16), tmp_path / "n.onnx")
    session = OnnxRuntime.load(artifact.path, OnnxRuntime.Params(), threads=1)
    expected = network(images)
    for name, given in zip(expected, session(images.numpy()), strict=True):
        np.testing.assert_allclose(given, expected[name].detach().numpy(), atol=1e-4)


class ReadsValues(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class LooseTensor(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))

    def forward(self, x):
        return x * self.scale


@pytest.mark.parametrize(
    ("network", "text"),
    [
        (ReadsValues(), "its forward cannot be traced"),
        (LooseTensor(), "uses the tensor scale outside of a layer"),
    ],
)
def test_network_that_is_no_list_of_layers_is_refused(network, text):
    with pytest.raises(UntraceableNetwork, match=text):
        graph_of(network)
