"""Changes on a copy: the counts that come of them are those of the formulas."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from paretune.objectives.profiling.layer_costs import layer_costs
from paretune.search.profiling.advice import changes
from paretune.search.profiling.advice.findings import findings, worst_layers
from paretune.search.profiling.advice.gains import Sheet
from paretune.search.profiling.advice.hints import hint, short
from paretune.search.profiling.advice.tried import Change
from paretune.search.profiling.advice.trying import tried
from paretune.search.study_file.loading import load_study
from paretune.spaces.architecture.network import build_network

SHAPE = (3, 32, 32)
SIMPLE = {"simple_cnn": {"width": 1.0}}


@pytest.fixture(scope="module")
def simple() -> nn.Module:
    return build_network(SIMPLE, SHAPE, 10, seed=0)


def macs(model: nn.Module | None, path: str) -> int:
    layers = changes.costs(model, SHAPE)
    assert layers is not None
    return sum(x.macs for x in layers if x.path == path or x.path.startswith(f"{path}."))


def test_separable_convolution_has_the_formula_s_share_of_multiply_adds(simple: nn.Module) -> None:
    """1 / channels + 1 / kernel area: 1/8.4 for 128 channels and 3x3."""
    before = torch.random.get_rng_state()
    share = macs(changes.separable(simple, "3"), "3") / macs(simple, "3")
    assert share == pytest.approx(1 / 128 + 1 / 9)
    assert 1 / share == pytest.approx(8.4, abs=0.05)
    assert isinstance(simple[3], nn.Conv2d), "the network itself is left alone"
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("path", ["0", "7"], ids=["three channels", "linear"])
def test_what_cannot_be_separable_is_none(simple: nn.Module, path: str) -> None:
    assert changes.separable(simple, path) is None


def test_pooling_leaves_a_linear_layer_its_channels(simple: nn.Module) -> None:
    """8192 inputs are 128 channels of 8x8 pixels."""
    assert macs(changes.pooled(simple, "7", SHAPE), "7") == 128 * 256
    assert changes.pooled(simple, "9", SHAPE) is None
    assert changes.pooled(simple, "3", SHAPE) is None


def test_pruning_half_of_a_layer_halves_it_and_who_reads_it(simple: nn.Module) -> None:
    pruned = changes.pruned(simple, SHAPE, 10, "3")
    assert macs(pruned, "3") * 2 == macs(simple, "3")
    assert macs(pruned, "7") * 2 == macs(simple, "7")
    assert macs(pruned, "0") == macs(simple, "0")


def test_only_large_images_are_made_smaller() -> None:
    assert changes.lower((3, 32, 32)) is None
    assert changes.lower((128, 1000)) is None
    assert changes.lower((3, 224, 224)) == (3, 160, 160)
    assert changes.lower((3, 64, 96)) == (3, 48, 72)


def test_a_change_that_the_network_does_not_bear_is_none(simple: nn.Module) -> None:
    assert changes.costs(simple, (3, 16, 16)) is None
    assert changes.costs(None, SHAPE) is None


# -- findings --------------------------------------------------------------------------------------


def sheet_of(model: nn.Module, ms: dict[str, float]) -> Sheet:
    layers = layer_costs(model, SHAPE)
    return Sheet(layers, ms, 0.0, 4.0 * sum(layer.parameters for layer in layers))


def test_findings_name_the_worst_layers_and_what_each_change_gains(simple: nn.Module) -> None:
    sheet = sheet_of(simple, {"0": 0.1, "3": 0.61, "7": 0.19, "9": 0.1})
    options = tried(simple, SHAPE, 10, sheet, SIMPLE, ("static",))
    conv, fc, whole = findings(sheet, options)
    assert conv.fact == "3 (Conv2d) takes 61 % of the time"
    assert fc.fact == "7 (Linear) holds 96 % of the parameters"
    [separable] = [text for text, t in conv.tries if t.change is Change.SEPARABLE]
    assert separable.startswith("depthwise separable: 1/8.4 of its MACs; about ")
    [halved] = [t for _, t in conv.tries if t.change is Change.HALVE]
    # Half of conv2, and half of the layer that reads it, if its bytes allow.
    assert halved.estimate.time == pytest.approx(1 - 0.61 / 2 - 0.19 / 2, abs=0.01)
    [pool] = [text for text, t in fc.tries if t.change is Change.POOL]
    assert "smaller" in pool
    assert {t.change for _, t in whole.tries} == {Change.HALVE_ALL, Change.INT8}


def test_a_network_without_a_worst_layer_says_so(simple: nn.Module) -> None:
    ms = {str(i): 1.0 for i in range(10)}
    sheet = sheet_of(build_network({"resnet": {}}, SHAPE, 10, 0), ms)
    assert worst_layers(sheet) == []
    [whole] = findings(sheet, [])
    assert whole.fact.startswith("no layer takes more than 10 % of the time")


# -- lines to paste --------------------------------------------------------------------------------

STUDY = """
study: pasted
data: digits
baseline: {{architecture: {{simple_cnn: {{width: 0.5}}}}, pretrain: {{epochs: 1}}}}
space:
  finetune: {{epochs: 1}}
  {line}
objectives: {{accuracy: maximize, latency: minimize}}
search: {{trials: 3}}
"""


@pytest.mark.parametrize("change", Change)
def test_every_hint_is_a_line_that_a_study_takes(change: Change, tmp_path: Path) -> None:
    line = hint(change, "3", {"simple_cnn": {"width": 0.5}}, ("static", "dynamic"), (48, 64))
    file = tmp_path / "pasted.yaml"
    file.write_text(STUDY.format(line=line))
    assert load_study(file).name == "pasted"


def test_a_hint_leaves_out_what_is_the_default() -> None:
    assert short({"simple_cnn": {"width": 1.0, "resolution": None}}) == {"simple_cnn": {}}
