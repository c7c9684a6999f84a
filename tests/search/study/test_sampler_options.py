"""The options of Paretune's own samplers."""

from __future__ import annotations

from typing import Any

import pytest

from paretune.search.study.sampler_options import SAMPLER_OPTIONS, uses_surrogate
from paretune.search.study.spec import Selection
from paretune.search.study.tables import SAMPLER_NAMES


@pytest.mark.parametrize(
    ("name", "options", "uses"),
    [
        ("auto", {}, True),
        ("auto", {"thompson": True}, True),
        ("auto", {"thompson": False}, False),
        ("thompson", {}, True),
        ("evolution", {}, False),
        ("tpe", {}, False),
    ],
)
def test_surrogate_is_used_by_thompson_and_by_auto_unless_it_is_off(
    name: str, options: dict[str, Any], uses: bool
) -> None:
    assert uses_surrogate(Selection(name, options)) is uses


def test_sampler_options_belong_to_existing_samplers() -> None:
    assert set(SAMPLER_OPTIONS) <= set(SAMPLER_NAMES)
