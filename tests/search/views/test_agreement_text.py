"""How far a deployed file is from its network, in one sentence."""

from __future__ import annotations

from typing import Any

import pytest

from paretune.search.views.agreement_text import agreement_text


@pytest.mark.parametrize(
    ("tolerance", "end"), [(0.001, " (0.001 is allowed)"), (None, " (rounding)")]
)
def test_agreement_text_has_classes_difference_and_tolerance(
    tolerance: float | None, end: str
) -> None:
    agreement: dict[str, Any] = {"examples": 64, "difference": 0.0512, "classes": 0.984375}
    artifact = {"info": {"agreement": {**agreement, "tolerance": tolerance}}}
    assert agreement_text(artifact) == (
        "the file has the network's class for 98.44 % of 64 validation examples; outputs differ "
        f"by at most 0.051 of their spread{end}"
    )


@pytest.mark.parametrize("artifact", [None, {}, {"info": {}}])
def test_agreement_text_is_empty_for_a_file_that_was_not_compared(artifact: Any) -> None:
    assert agreement_text(artifact) == ""


def test_agreement_text_without_classes_has_the_difference_alone() -> None:
    agreement = {"examples": 64, "difference": 0.0512, "classes": None, "tolerance": None}
    assert agreement_text({"info": {"agreement": agreement}}) == (
        "outputs differ by up to 0.051 of their spread on 64 validation examples (rounding)"
    )
