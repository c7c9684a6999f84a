"""Tells whether studies measured a quantity under the same conditions. Pure.

Times depend on machine, runtime and batch. Of two studies that differ there, only the ratios to
their own baselines are compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paretune.search.study.quantity import Quantity
from paretune.search.study.records import Axis, StudyRecord
from paretune.search.views.words import cores_text

HOST_UNITS = ("ms", "s", "us", "J")
"""Units of quantities that depend on the machine."""

CONDITIONS = ("device", "threads", "batch", "statistic", "denormals")
"""Conditions of a measurement that must be equal."""


def depends_on_host(axis: Axis) -> bool:
    """Returns whether a quantity depends on the machine that measures it."""
    local = Quantity.of(axis.name).local
    return axis.unit in HOST_UNITS or local.startswith(("throughput", "memory"))


def different_conditions(axis: Axis, records: Sequence[StudyRecord]) -> dict[str, tuple[str, ...]]:
    """Returns what differs between the studies: name of the condition -> its value in each study.

    It is empty for a quantity that does not depend on the machine.
    """
    if not depends_on_host(axis):
        return {}
    by_study = [_conditions(axis, record) for record in records]
    names = dict.fromkeys(name for conditions in by_study for name in conditions)
    values = {name: tuple(conditions.get(name, "-") for conditions in by_study) for name in names}
    return {name: texts for name, texts in values.items() if len(set(texts)) > 1}


def _conditions(axis: Axis, record: StudyRecord) -> dict[str, str]:
    return {
        "host": _host_text(record),
        "runtime": _runtime_text(axis, record),
        **_measuring(axis, record),
    }


def _host_text(record: StudyRecord) -> str:
    """Returns the machines of a study, each with its fingerprint: equal texts are one machine."""
    hosts: Mapping[str, Mapping[str, Any]] = record.info.get("hosts") or {}
    last = record.info.get("host")
    texts = [
        f"{facts.get('cpu', 'unknown')}, {cores_text(facts)} ({name[:6]})"
        for name, facts in sorted(hosts.items())
    ]
    return " and ".join(texts) or str(last or "unknown")


def _runtime_text(axis: Axis, record: StudyRecord) -> str:
    """Returns the runtime with its options, of the target that the quantity is measured on."""
    plans = [trial.plan for trial in record.trials if trial.plan and trial.state == "complete"]
    deploy: Mapping[str, Any] = (
        next((s["params"] for s in plans[0] if s["kind"] == "deploy"), {}) if plans else {}
    )
    targets = deploy.get("targets") or {}
    target = Quantity.of(axis.name).target or next(iter(targets), None)
    runtime = targets.get(target) if targets else deploy.get("runtime")
    if not runtime:
        return "own trainer"
    [(name, options)] = runtime.items()
    shown = ", ".join(f"{key} {value}" for key, value in sorted(options.items()))
    return f"{name} ({shown})" if shown else str(name)


def _measuring(axis: Axis, record: StudyRecord) -> dict[str, str]:
    """Returns the conditions of the measurement, and the statistic that the study asks for."""
    trials = [t for t in record.trials if axis.name in t.measurements]
    conditions = trials[0].measurements[axis.name].conditions if trials else {}
    texts = {name: str(conditions[name]) for name in CONDITIONS if name in conditions}
    asked = (record.source.get("objectives") or {}).get(axis.name)
    if isinstance(asked, Mapping):
        direction = "minimize" if axis.better == "lower" else "maximize"
        if isinstance(asked.get(direction), str):
            texts["statistic"] = asked[direction]
    return texts
