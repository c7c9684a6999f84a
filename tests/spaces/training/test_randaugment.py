"""RandAugment beside torchvision's operations, on 8-bit images."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as theirs

from paretune.spaces.training import colours
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
    """uint8, smooth with noise, [count, channels, 12, 16]; the first image is constant."""
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
    ("ours", "reference"),
    [
        (colours.brightness, theirs.adjust_brightness),
        (colours.saturation, theirs.adjust_saturation),
        (colours.contrast, theirs.adjust_contrast),
        (colours.sharpness, theirs.adjust_sharpness),
    ],
)
def test_blends_are_torchvision_s(ours: Any, reference: Any, by: float) -> None:
    given = pixels().float() / 255
    torch.testing.assert_close(ours(given, factor(by)), reference(given, by), atol=1e-5, rtol=0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("ours", "reference"),
    [
        *((lambda x, b=b: colours.posterize(x, b), lambda x, b=b: theirs.posterize(x, b))
          for b in (4, 6, 8)),
        (colours.equalize, theirs.equalize),
        (colours.autocontrast, theirs.autocontrast),
        (lambda x: colours.solarize(x, 100 / 255), lambda x: theirs.solarize(x, 100)),
    ],
    ids=["posterize 4", "posterize 6", "posterize 8", "equalize", "autocontrast", "solarize"],
)  # fmt: skip
def test_levels_are_torchvision_s(ours: Any, reference: Any, channels: int) -> None:
    given = pixels(channels=channels)
    apart = (as_bytes(ours(given.float() / 255)) - reference(given).int()).abs()
    assert int(apart.max()) <= 1  # torchvision cuts a level off where we round it


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_rotation_is_torchvision_s(sign: float) -> None:
    given = pixels().float() / 255
    number = torch.full((4,), OPERATIONS.index("rotate"))
    found = warped(given, geometry(number, torch.full((4,), sign), 0.6, 12, 16))
    expected = theirs.rotate(given, 18.0 * sign, InterpolationMode.BILINEAR)
    inside = (slice(None), slice(None), slice(3, 9), slice(4, 12))  # they fill edges otherwise
    torch.testing.assert_close(found[inside], expected[inside], atol=1e-4, rtol=0)


def test_matrix_says_where_each_pixel_comes_from() -> None:
    """Whole pixels: a shift by (3, -2), and a shear by one column a row around the middle row."""
    given = pixels().float()[..., :11, :15] / 255
    shift = torch.tensor([[1.0, 0, 3], [0, 1, -2]]).expand(4, 2, 3)
    found = warped(given, shift)
    torch.testing.assert_close(found[:, :, 2:, :-3], given[:, :, :-2, 3:])
    assert not found[:, :, :2].any()
    assert not found[:, :, :, -3:].any()
    sheared = warped(given, torch.tensor([[1.0, 1, 0], [0, 1, 0]]).expand(4, 2, 3))
    for row in range(11):
        by = row - 5
        columns = [x for x in range(15) if 0 <= x + by < 15]
        ours = sheared[:, :, row, columns]
        torch.testing.assert_close(ours, given[:, :, row, [x + by for x in columns]])


def test_strength_of_the_geometry_grows_with_the_magnitude() -> None:
    which = torch.tensor([OPERATIONS.index(name) for name in GEOMETRY])
    matrices = geometry(which, torch.ones(5), 0.5, height=331, width=662)
    assert matrices[0, 0, 1] == pytest.approx(0.15)
    assert matrices[1, 1, 0] == pytest.approx(0.15)
    assert matrices[2, 0, 2] == pytest.approx(150.0)
    assert matrices[3, 1, 2] == pytest.approx(75.0)
    assert math.degrees(math.asin(matrices[4, 1, 0])) == pytest.approx(15.0, abs=1e-4)
    eyes = geometry(which, torch.ones(5), 0.0, height=331, width=662)
    torch.testing.assert_close(eyes, torch.eye(2, 3).expand(5, 2, 3))


# -- whole ---------------------------------------------------------------------------------------


def normalized(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    raw = torch.rand(count, 3, 8, 8, generator=generator) * 0.8 + 0.1
    return raw * (WHITE - BLACK)[:, None, None] + BLACK[:, None, None]


def run(images: torch.Tensor, seed: int = 0, **options: Any) -> torch.Tensor:
    how = RandAugment(**options)
    return randaugmented(images, how, BLACK, WHITE, torch.Generator().manual_seed(seed))


def test_each_image_has_operations_of_its_own() -> None:
    """The same image 280 times: at least as many different results as there are operations."""
    images = normalized(1).expand(280, -1, -1, -1).contiguous()
    found = run(images, operations=1, magnitude=15)
    different = torch.unique((found * 1e4).round().flatten(1), dim=0)
    # Geometry and blends go to two sides; posterize, solarize, autocontrast, equalize do not.
    assert len(different) == 1 + 2 * len(GEOMETRY) + 2 * 4 + 4
    same = torch.isclose(found, images, atol=1e-4).flatten(1).all(1).double().mean()
    assert float(same) == pytest.approx(1 / 14, abs=0.05)


def test_result_lies_between_black_and_white() -> None:
    found = run(normalized(200), operations=3, magnitude=30)
    assert found.isfinite().all()
    assert (found >= BLACK[:, None, None] - 1e-5).all()
    assert (found <= WHITE[:, None, None] + 1e-5).all()


def test_same_generator_gives_the_same_and_inputs_are_left_alone() -> None:
    given = normalized(16)
    before = given.clone()
    assert torch.equal(run(given, operations=2), run(given, operations=2))
    assert not torch.equal(run(given, operations=2), run(given, seed=1, operations=2))
    assert torch.equal(given, before)


@pytest.mark.parametrize("channels", [1, 4])
def test_images_of_other_channels_are_taken(channels: int) -> None:
    images = torch.rand(64, channels, 5, 2)
    ends = torch.zeros(channels), torch.ones(channels)
    how = RandAugment(operations=4, magnitude=20)
    found = randaugmented(images, how, *ends, torch.Generator().manual_seed(0))
    assert found.shape == images.shape
    assert found.isfinite().all()
