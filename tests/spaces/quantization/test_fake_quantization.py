"""Fake quantization follows its formula: value -> integer in the stored range -> value."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from paretune.spaces.quantization.fake_quantization import (
    FakeActivation,
    FakeWeight,
    rounded_weight,
)


def ranged(low: float, high: float) -> FakeActivation:
    """Returns fake quantization in evaluation mode with this range."""
    fake = FakeActivation(momentum=0.5).eval()
    fake.low.fill_(low)
    fake.high.fill_(high)
    return fake


@pytest.mark.parametrize(("low", "high"), [(-1.0, 3.0), (0.0, 6.0), (-2.5, 0.0), (-1e-3, 7.0)])
def test_activation_is_rounded_as_uint8_stores_it(low: float, high: float) -> None:
    """(q - z) s with q = clip(round(x / s) + z, 0, 255), s = width / 255, z = round(-low / s)."""
    values = torch.linspace(low - 1, high + 1, 1001)
    scale = np.float64(np.float32(high) - np.float64(np.float32(low))) / 255
    zero = np.round(-np.float64(np.float32(low)) / scale)
    # As the kernel does it: the reciprocal of the scale, in float32.
    steps = np.rint(values.numpy() * (np.float32(1) / np.float32(scale)))
    stored = np.clip(steps + zero, 0, 255)
    expected = (stored - zero).astype(np.float32) * np.float32(scale)
    rounded = ranged(low, high)(values).numpy()
    assert np.allclose(rounded, expected, rtol=0, atol=1e-6)
    assert len(np.unique(rounded)) <= 256


@pytest.mark.parametrize(("low", "high"), [(-1.0, 3.0), (-0.37, 2.9), (0.0, 0.0)])
def test_zero_is_rounded_to_exactly_zero(low: float, high: float) -> None:
    """Padding is 0."""
    assert ranged(low, high)(torch.zeros(1)).item() == 0


def test_gradient_passes_only_inside_the_range() -> None:
    x = torch.tensor([-5.0, -0.5, 0.7, 2.9, 9.0], requires_grad=True)
    ranged(-1, 3)(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 1, 1, 1, 0]


def test_range_follows_the_batches_only_in_training() -> None:
    """low <- low + momentum (min - low), likewise high; the range always contains 0."""
    fake = ranged(-1, 3).train()
    fake(torch.tensor([1.0, 5.0]))
    assert (fake.low.item(), fake.high.item()) == (-0.5, 4.0)
    fake(torch.tensor([-9.0, 9.0]), follows=True)
    fake.eval()(torch.tensor([-9.0, 9.0]))
    assert (fake.low.item(), fake.high.item()) == (-0.5, 4.0)


def test_widening_range_contains_all_values_and_rounds_none() -> None:
    fake = FakeActivation(momentum=0.5).eval()
    fake.widening = True
    for batch in (torch.tensor([0.3, 0.9]), torch.tensor([-0.2, 0.5])):
        assert torch.equal(fake(batch), batch)
    assert (fake.low.item(), fake.high.item()) == pytest.approx((-0.2, 0.9))


@pytest.mark.parametrize("levels", [64, 127])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_weight_is_rounded_as_int8_stores_it(axis: int | None, levels: int) -> None:
    """q = round(w / s), s = max |w| / levels over the tensor or each channel."""
    weight = torch.randn(5, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    others = tuple(d for d in range(4) if d != axis)
    largest = weight.abs().amax(dim=others if axis is not None else (0, 1, 2, 3), keepdim=True)
    scale = (largest.double() / levels).float()
    stored = torch.round(weight * (1 / scale))
    assert torch.allclose(rounded_weight(weight, axis, levels), stored * scale, rtol=0, atol=1e-6)
    assert stored.abs().max() == levels


def test_gradient_of_a_rounded_weight_passes_unchanged() -> None:
    weight = torch.randn(3, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    FakeWeight(0, 127)(weight).sum().backward()
    assert weight.grad is not None
    assert torch.equal(weight.grad, torch.ones(3, 2))


@pytest.mark.parametrize("axis", [None, 0])
def test_channel_of_zeros_stays_zero(axis: int | None) -> None:
    weight = torch.tensor([[0.0, 0.0], [1.0, -0.5]])
    assert rounded_weight(weight, axis, 127)[0].tolist() == [0, 0]
