"""Options for quick measurements, which screening and rung checks use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paretune.search.study.tables import OBJECTIVES

SECONDS = 0.5
"""Longest time for one timing."""

PRECISION = 0.05
"""Target half width of a timing's interval, relative."""


def quick_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns an objective's options with less time and precision.

    A quick result close to a bound decides nothing: the trial is then trained and measured in full.

    Args:
        name: Objective.
        options: Its options in the study file.
    """
    full: dict[str, Any] = OBJECTIVES.get(name).Params.model_validate(dict(options)).model_dump()
    quick = {
        "seconds": min(SECONDS, full.get("seconds", SECONDS)),
        "precision": max(PRECISION, full.get("precision", PRECISION)),
        "spread": 0.0,
    }
    return {key: quick.get(key, value) for key, value in full.items()}
