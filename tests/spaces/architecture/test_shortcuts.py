"""The shortcut without weights (option A), before and after pruning."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from paretune.spaces.architecture.shortcuts import PaddedShortcut
from paretune.spaces.base import Candidate, Context
from paretune.spaces.pruning.structured import Structured
from paretune.spaces.rebuild import initial_candidate, rebuild


def test_shortcut_passes_every_second_pixel_between_channels_of_zeros() -> None:
    images = torch.rand(2, 4, 6, 5)
    output = PaddedShortcut(4, 10, stride=2)(images)
    assert torch.equal(output, F.pad(images[:, :, ::2, ::2], (0, 0, 0, 0, 3, 3)))
    assert not list(PaddedShortcut(4, 10, 2).parameters())


def test_shortcut_passes_all_pixels_when_the_stride_is_one() -> None:
    images = torch.rand(2, 4, 6, 5)
    output = PaddedShortcut(4, 7, stride=1)(images)
    assert torch.equal(output, F.pad(images, (0, 0, 0, 0, 1, 2)))


def test_shortcut_refuses_fewer_output_channels_than_inputs() -> None:
    with pytest.raises(ValueError, match="cannot reduce 8 channels to 4"):
        PaddedShortcut(8, 4, stride=2)


@pytest.mark.parametrize(
    ("inputs", "outputs"), [((1, 2), ()), ((), (0, 4)), ((0,), (3, 9)), ((0, 1, 2, 3), (1,))]
)
def test_pruned_shortcut_passes_the_remaining_channels_as_before(
    inputs: tuple[int, ...], outputs: tuple[int, ...]
) -> None:
    images = torch.rand(2, 4, 6, 6)
    unpruned, pruned = PaddedShortcut(4, 10, 2), PaddedShortcut(4, 10, 2)
    pruned.remove_channels(inputs, outputs)
    kept_in = [i for i in range(4) if i not in inputs]
    kept_out = [i for i in range(10) if i not in outputs]
    cleared = images.clone()
    cleared[:, list(inputs)] = 0
    assert torch.equal(pruned(images[:, kept_in]), unpruned(cleared)[:, kept_out])


def padded(blocks: int = 1) -> Candidate:
    architecture = {"resnet": {"blocks": blocks, "width": 16, "shortcut": "padding"}}
    return initial_candidate(architecture, (3, 16, 16), 5, seed=0)


def test_network_with_padded_shortcuts_can_be_pruned_and_rebuilt(context: Context) -> None:
    before = padded()
    after = Structured.apply(before, Structured.Params(ratio=0.5, round_to=4), context)
    convolutions = [m for m in after.model.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [m.out_channels for m in convolutions] == [8, 8, 8, 16, 16, 32, 32]
    images = torch.rand(2, 3, 16, 16)
    fresh = rebuild(after.history, (3, 16, 16), 5)
    fresh.load_state_dict(after.model.state_dict())
    assert torch.equal(fresh.eval()(images), after.model(images))


def test_pruning_channels_without_weights_keeps_the_logits(context: Context) -> None:
    """The sums of the stages are the same before and after, so each channel kept its position."""
    before = padded()
    model = before.model
    with torch.no_grad():  # only every fourth channel of each layer has weights
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.bias.fill_(0.0)
                module.weight[torch.arange(len(module.weight)) % 4 != 0] = 0.0
            if isinstance(module, torch.nn.Conv2d):
                module.weight[torch.arange(len(module.weight)) % 4 != 0] *= 1e-6
    images = torch.rand(2, 3, 16, 16)
    after = Structured.apply(before, Structured.Params(ratio=0.75, round_to=1), context)
    widths = [m.num_features for m in after.model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert widths == [4, 4, 4, 8, 8, 16, 16]
    torch.testing.assert_close(after.model(images), model(images), atol=1e-5, rtol=1e-5)
