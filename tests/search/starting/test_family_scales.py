"""Smaller and lighter networks of a family, which `init` tries."""

from __future__ import annotations

import pytest
from torch import nn

from paretune.search.starting.family_scales import LIGHTER, SCALES, scaled_params
from paretune.search.starting.network_choice import architecture_choice
from paretune.spaces.architecture import ARCHITECTURES
from support.start_facts import facts, tried

INPUTS = {"unet": (3, 32, 32), "conv1d": (2, 64), "detector": (3, 32, 32)}


def weights_of_convolutions(family: str, **params: object) -> int:
    """Returns the weights of all convolutions, which run as often as before in a lighter network.

    So fewer weights mean fewer multiply-adds.
    """
    entry = ARCHITECTURES.get(family)
    network = entry().build(entry.Params(**params), INPUTS[family], 4)
    kinds = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)
    return sum(m.weight.numel() for m in network.modules() if isinstance(m, kinds))


@pytest.mark.parametrize(
    ("family", "name", "option"),
    [(family, name, option) for family, options in LIGHTER.items()
     for name, option in options.items()],
)  # fmt: skip
def test_lighter_option_is_one_of_the_family_and_needs_less(
    family: str, name: str, option: str
) -> None:
    heavy = ARCHITECTURES.get(family).Params().model_dump()[name]
    assert heavy != option
    assert weights_of_convolutions(family, **{name: option}) < weights_of_convolutions(family)


def test_scaled_params_yields_smaller_values_then_lighter_options() -> None:
    params = ARCHITECTURES.get("unet").Params(width=16, depth=3).model_dump()
    assert list(scaled_params("unet", params)) == [
        {"width": 8}, {"width": 12}, {"depth": 2}, {"kind": "separable"}, {"up": "bilinear"},
    ]  # fmt: skip


def test_scaled_params_leaves_out_options_that_the_baseline_has() -> None:
    params = ARCHITECTURES.get("unet").Params(width=4, depth=1, kind="separable").model_dump()
    assert list(scaled_params("unet", params)) == [{"up": "bilinear"}]


@pytest.mark.parametrize("family", sorted(SCALES))
def test_scaled_networks_of_the_default_are_valid(family: str) -> None:
    entry = ARCHITECTURES.get(family)
    default = entry.Params().model_dump()
    for params in scaled_params(family, default):
        changed = entry.Params(**{**default, **params}).model_dump()
        assert changed != default and changed.keys() == default.keys()


def test_lighter_option_that_worked_is_offered_beside_the_baselines() -> None:
    lighter = tried("architecture", "unet", params={"kind": "separable"}, time=0.3, low=0.29,
                    high=0.31, size=0.2)  # fmt: skip
    slower = tried("architecture", "unet", params={"up": "bilinear"}, time=1.3, low=1.2, high=1.4)
    choice = architecture_choice(
        facts(
            family="unet",
            weights="random",
            architecture={"unet": {"width": 16}},
            defaults={"width": 16, "kind": "plain", "up": "transposed"},
            tried=(lighter, slower),
        )
    )
    assert choice.value == {"unet": {"width": 16, "kind": {"choice": ["separable", "plain"]}}}
    assert choice.comments["unet", "kind"] == "separable: 3.3x faster, 5.0x smaller"
    assert [each.option for each in choice.left_out] == ["up bilinear of unet"]
