"""Convolutions whose channels are split, in one convolution for each part."""

import pytest
import torch
from torch import nn

from paretune.search.tasks.ultralytics_process.layer_graph import graph_of, network_of
from paretune.search.tasks.ultralytics_process.split_layers import part_of, split_layers


class Csp(nn.Module):
    """The block C2f of detectors: a convolution split in two, and a chain on one half."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.conv = nn.Conv2d(3, 10, 1, bias=False)
        self.norm, self.act = nn.BatchNorm2d(10), nn.SiLU()
        self.inner = nn.Conv2d(5, 5, 3, padding=1)
        self.out = nn.Conv2d(15, 4, 1)

    def forward(self, x):
        x = self.act(self.norm(self.conv(x)))
        if self.how == "chunk":
            parts = list(x.chunk(2, 1))
        elif self.how == "split":
            parts = list(x.split((5, 5), dim=1))
        else:  # the split value is used otherwise too
            parts = [*x.chunk(2, 1)]
            parts[0] = parts[0] + x[:, :5]
        return self.out(torch.cat([*parts, self.inner(parts[-1])], 1))


def in_parts(network: nn.Module) -> nn.Module:
    graph = split_layers(graph_of(network))
    made = network_of(graph)
    state = network.state_dict()
    weights = {}
    for name in made.state_dict():
        source, rows = part_of(graph, name)
        weights[name] = state[source][rows] if state[source].ndim else state[source]
    made.load_state_dict(weights)
    return made


@pytest.mark.parametrize("how", ["chunk", "split"])
@pytest.mark.parametrize("training", [False, True])
def test_parts_give_the_outputs_and_gradients_of_the_convolution(how, training):
    torch.manual_seed(0)
    network = Csp(how).train(training)
    nn.init.normal_(network.norm.running_mean)
    made = in_parts(network).train(training)
    images = torch.randn(2, 3, 8, 8)

    expected, outputs = network(images), made(images)
    torch.testing.assert_close(outputs, expected)
    expected.square().sum().backward()
    outputs.square().sum().backward()
    both = torch.cat([made.conv_0.weight.grad, made.conv_1.weight.grad])
    torch.testing.assert_close(both, network.conv.weight.grad, rtol=1e-4, atol=1e-5)
    means = torch.cat([made.norm_0.running_mean, made.norm_1.running_mean])
    torch.testing.assert_close(means, network.norm.running_mean)


def test_parts_can_be_pruned_where_the_split_convolution_cannot():
    from paretune.spaces.pruning.whole_layers import whole_layers

    network = Csp("chunk").eval()

    assert "conv" in whole_layers(network, (3, 8, 8))
    assert not whole_layers(in_parts(network).eval(), (3, 8, 8))


def test_convolution_whose_output_is_used_otherwise_stays_one():
    made = in_parts(Csp("other"))

    assert "conv" in dict(made.named_modules())
