"""Changes of colour give the results of torchvision on 8-bit images."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torchvision.transforms import functional as torchvision

from paretune.spaces.training import colours


def pixels(count: int = 4, channels: int = 3) -> torch.Tensor:
    """Returns uint8 images [count, channels, 12, 16], smooth with noise; the first is constant."""
    generator = torch.Generator().manual_seed(0)
    ramp = torch.linspace(20, 180, 16).expand(count, channels, 12, 16)
    noise = torch.randint(0, 60, ramp.shape, generator=generator)
    made = (ramp + noise).round().byte()
    made[0] = 77
    return made


def as_bytes(images: torch.Tensor) -> torch.Tensor:
    return (images * 255).round().int()


def factor(value: float) -> torch.Tensor:
    return torch.full((4, 1, 1, 1), value)


@pytest.mark.parametrize("by", [0.3, 1.0, 1.8])
@pytest.mark.parametrize(
    ("operation", "reference"),
    [
        (colours.brightness, torchvision.adjust_brightness),
        (colours.saturation, torchvision.adjust_saturation),
        (colours.contrast, torchvision.adjust_contrast),
        (colours.sharpness, torchvision.adjust_sharpness),
    ],
)
def test_blends_equal_torchvision_s(operation: Any, reference: Any, by: float) -> None:
    images = pixels().float() / 255
    torch.testing.assert_close(
        operation(images, factor(by)), reference(images, by), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("operation", "reference"),
    [
        *((lambda x, b=b: colours.posterize(x, b), lambda x, b=b: torchvision.posterize(x, b))
          for b in (4, 6, 8)),
        (colours.equalize, torchvision.equalize),
        (colours.autocontrast, torchvision.autocontrast),
        (lambda x: colours.solarize(x, 100 / 255), lambda x: torchvision.solarize(x, 100)),
    ],
    ids=["posterize 4", "posterize 6", "posterize 8", "equalize", "autocontrast", "solarize"],
)  # fmt: skip
def test_changes_of_levels_equal_torchvision_s(
    operation: Any, reference: Any, channels: int
) -> None:
    images = pixels(channels=channels)
    difference = (as_bytes(operation(images.float() / 255)) - reference(images).int()).abs()
    assert int(difference.max()) <= 1  # torchvision truncates levels, `colours` rounds them
