"""Measures one score of a deployed file on the validation part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from paretune.search.measuring.gauge import measure_one
from paretune.search.study.quantity import SCORE, Quantity

if TYPE_CHECKING:
    from paretune.objectives.base import Measurement, Subject


def measured_score(
    subject: Subject, quantities: Mapping[str, Mapping[str, Any]], name: str
) -> Measurement:
    """Returns a score of a file on the validation part of the subject's data.

    Args:
        subject: The file and its data.
        quantities: Objective of the study -> its options.
        name: Name of the score.

    Raises:
        UserError: It cannot be measured.
    """
    objective = SCORE if SCORE in quantities else Quantity.of(name).objective
    answer = measure_one(subject, objective, quantities.get(objective, {}), "validation")
    measured = answer if isinstance(answer, list | tuple) else [answer]
    named: Measurement | None = next((m for m in measured if m.name == name), None)
    first: Measurement = measured[0]
    return named or first
