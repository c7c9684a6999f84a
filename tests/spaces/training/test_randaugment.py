"""RandAugment: its geometry compared with torchvision's, and whole batches."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as reference

from paretune.spaces.training.randaugment import (
    GEOMETRY,
    OPERATIONS,
    geometry,
    randaugmented,
    warped,
)
from paretune.spaces.training.recipe import RandAugment

BLACK = torch.tensor([-2.0, -1.5, -1.0])
WHITE = torch.tensor([2.0, 2.5, 2.0])


def pixels(count: int = 4, channels: int = 3) -> torch.Tensor:
    """Returns uint8 images [count, channels, 12, 16], smooth with noise; the first is constant."""
    generator = torch.Generator().manual_seed(0)
    ramp = torch.linspace(20, 180, 16).expand(count, channels, 12, 16)
    noise = torch.randint(0, 60, ramp.shape, generator=generator)
    made = (ramp + noise).round().byte()
    made[0] = 77
    return made


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_rotation_equals_torchvision_s(sign: float) -> None:
    source = pixels().float() / 255
    number = torch.full((4,), OPERATIONS.index("rotate"))
    result = warped(source, geometry(number, torch.full((4,), sign), 0.6, 12, 16))
    expected = reference.rotate(source, 18.0 * sign, InterpolationMode.BILINEAR)
    inside = (slice(None), slice(None), slice(3, 9), slice(4, 12))  # they fill edges otherwise
    torch.testing.assert_close(result[inside], expected[inside], atol=1e-4, rtol=0)


def test_matrix_maps_each_pixel_to_its_source() -> None:
    """A shift by (3, -2) pixels, and a shear by one column per row around the middle row."""
    source = pixels().float()[..., :11, :15] / 255
    shift = torch.tensor([[1.0, 0, 3], [0, 1, -2]]).expand(4, 2, 3)
    result = warped(source, shift)
    torch.testing.assert_close(result[:, :, 2:, :-3], source[:, :, :-2, 3:])
    assert not result[:, :, :2].any()
    assert not result[:, :, :, -3:].any()
    sheared = warped(source, torch.tensor([[1.0, 1, 0], [0, 1, 0]]).expand(4, 2, 3))
    for row in range(11):
        sign = row - 5
        columns = [x for x in range(15) if 0 <= x + sign < 15]
        row_pixels = sheared[:, :, row, columns]
        torch.testing.assert_close(row_pixels, source[:, :, row, [x + sign for x in columns]])


def test_strength_of_the_geometry_grows_with_the_magnitude() -> None:
    operations = torch.tensor([OPERATIONS.index(name) for name in GEOMETRY])
    matrices = geometry(operations, torch.ones(5), 0.5, height=331, width=662)
    assert matrices[0, 0, 1] == pytest.approx(0.15)
    assert matrices[1, 1, 0] == pytest.approx(0.15)
    assert matrices[2, 0, 2] == pytest.approx(150.0)
    assert matrices[3, 1, 2] == pytest.approx(75.0)
    assert math.degrees(math.asin(matrices[4, 1, 0])) == pytest.approx(15.0, abs=1e-4)
    eyes = geometry(operations, torch.ones(5), 0.0, height=331, width=662)
    torch.testing.assert_close(eyes, torch.eye(2, 3).expand(5, 2, 3))


# -- whole batches -------------------------------------------------------------------------------


def normalized(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    raw = torch.rand(count, 3, 8, 8, generator=generator) * 0.8 + 0.1
    return raw * (WHITE - BLACK)[:, None, None] + BLACK[:, None, None]


def run(images: torch.Tensor, seed: int = 0, **fields: Any) -> torch.Tensor:
    options = RandAugment(**fields)
    return randaugmented(images, options, BLACK, WHITE, torch.Generator().manual_seed(seed))


def test_operations_are_drawn_separately_for_each_image() -> None:
    """280 copies of an image give all results that single operations can give."""
    images = normalized(1).expand(280, -1, -1, -1).contiguous()
    result = run(images, operations=1, magnitude=15)
    different = torch.unique((result * 1e4).round().flatten(1), dim=0)
    # Geometry and blends go to two sides; posterize, solarize, autocontrast, equalize do not.
    assert len(different) == 1 + 2 * len(GEOMETRY) + 2 * 4 + 4
    same = torch.isclose(result, images, atol=1e-4).flatten(1).all(1).double().mean()
    assert float(same) == pytest.approx(1 / 14, abs=0.05)


def test_result_lies_between_black_and_white() -> None:
    result = run(normalized(200), operations=3, magnitude=30)
    assert result.isfinite().all()
    assert (result >= BLACK[:, None, None] - 1e-5).all()
    assert (result <= WHITE[:, None, None] + 1e-5).all()


def test_same_generator_gives_the_same_images_and_inputs_do_not_change() -> None:
    source = normalized(16)
    before = source.clone()
    assert torch.equal(run(source, operations=2), run(source, operations=2))
    assert not torch.equal(run(source, operations=2), run(source, seed=1, operations=2))
    assert torch.equal(source, before)


@pytest.mark.parametrize("channels", [1, 4])
def test_images_with_one_or_four_channels_are_accepted(channels: int) -> None:
    images = torch.rand(64, channels, 5, 2)
    ends = torch.zeros(channels), torch.ones(channels)
    options = RandAugment(operations=4, magnitude=20)
    result = randaugmented(images, options, *ends, torch.Generator().manual_seed(0))
    assert result.shape == images.shape
    assert result.isfinite().all()
