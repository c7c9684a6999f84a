"""The options with which quantities are measured, so that a change of them is noticed. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from paretune.search.measuring.gauge import quantity_of
from paretune.search.study.quantity import SCORE, Quantity
from paretune.search.study.spec import StudySpec
from paretune.search.study.tables import OBJECTIVES
from paretune.task import Metric

Options = Mapping[str, Mapping[str, Any]]
"""Quantity -> options as JSON."""

NOT_MEASURED_WITH = ("worst",)
"""Options of an objective in a study file that change no measurement."""


def options_of(
    objectives: Mapping[str, Mapping[str, Any]],
    names: Iterable[str],
    metrics: Mapping[str, Metric],
) -> dict[str, dict[str, Any]]:
    """Returns quantity -> the options with which it is measured, defaults included.

    Args:
        objectives: Objective -> {direction: options}, as an identity holds them.
        names: Quantities.
        metrics: The scores of the task that the study names.
    """
    typed = {
        quantity_of(name, metrics): _typed(options)
        for name, directed in objectives.items()
        for options in directed.values()
    }
    return {name: _options(quantity_of(name, metrics), typed) for name in names}


def stale_quantities(old: Options, new: Options) -> tuple[str, ...]:
    """Returns the quantities that are measured with other options than before."""
    return tuple(sorted(name for name in new if name in old and old[name] != new[name]))


def remeasured_with(names: Collection[str], spec: StudySpec, wanted: Collection[str]) -> set[str]:
    """Returns these quantities without those whose objective the study no longer measures.

    Args:
        names: Quantities that were measured.
        spec: The study.
        wanted: Quantities that it needs.
    """
    measured = {_instance(name, spec.metrics) for name in wanted}
    return {name for name in names if _instance(name, spec.metrics) in measured} | set(wanted)


def _instance(name: str, metrics: Mapping[str, Metric]) -> tuple[str, str | None]:
    """Returns what is measured at once: an objective on a target."""
    quantity = quantity_of(name, metrics)
    measured = quantity.local if quantity.objective == SCORE else quantity.objective
    return measured, quantity.target


def _typed(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key not in NOT_MEASURED_WITH}


def _options(quantity: Quantity, typed: Mapping[Quantity, Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the options of a quantity, by the rule of `Gauge.of`."""
    if quantity.objective == SCORE:
        return dict(typed.get(quantity, {}))
    same = [q for q in typed if q.objective == quantity.objective]
    same.sort(key=lambda q: (q.target != quantity.target, q.value is not None))
    chosen = typed[same[0]] if same else {}
    params = OBJECTIVES.get(quantity.objective).Params.model_validate(dict(chosen))
    defaults: dict[str, Any] = params.model_dump(mode="json")
    return defaults
