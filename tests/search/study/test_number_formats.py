"""The number formats of a space that need no training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paretune.search.study.number_formats import (
    network_params,
    untrained_formats,
    variant_formats,
    variants_of,
)
from paretune.search.study_file.loading import load_study


def formats(file: Path, quantization: str) -> list[dict[str, Any]]:
    return untrained_formats(load_study(file, [f"space.quantization={quantization}"]).space)


def test_free_formats_need_no_training(tiny: Path) -> None:
    assert formats(tiny, "{choice: {none: {}, static: {}, qat: {epochs: 1}}}") == [
        {"quantization": "none"},
        {"quantization": "static"},
    ]


def test_formats_with_few_variants_are_all_listed(tiny: Path) -> None:
    assert formats(tiny, "{choice: {none: {}, static: {keep_float: {choice: [0, 1]}}}}") == [
        {"quantization": "none"},
        {"quantization": "static", "quantization.static.keep_float": "0"},
        {"quantization": "static", "quantization.static.keep_float": "1"},
    ]


@pytest.mark.parametrize("quantization", ["static", "{choice: {static: {percentile: PERCENT}}}"])
def test_formats_are_none_when_the_space_cannot_enumerate_them(
    tiny: Path, quantization: str
) -> None:
    assert formats(tiny, quantization.replace("PERCENT", "{float: [90, 99.9]}")) == []


@pytest.mark.parametrize(("option", "number"), [("true", 2), ("front", 2), ("false", 0)])
def test_variants_have_formats_unless_they_are_switched_off(
    tiny: Path, option: str, number: int
) -> None:
    spec = load_study(tiny, [f"search.format_variants={option}"])

    assert len(variant_formats(spec)) == number


def test_variants_have_the_same_network_in_the_other_formats() -> None:
    params = {"width": 1, "quantization": "static", "quantization.static.keep_float": "0"}
    other = [{"quantization": "none"}, {"quantization": "static"}]

    assert network_params(params) == {"width": 1}
    assert variants_of(params, [{k: v for k, v in params.items() if k != "width"}, *other]) == [
        {"width": 1, "quantization": "none"},
        {"width": 1, "quantization": "static"},
    ]
