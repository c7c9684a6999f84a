"""In words: which layers cost most, and what to try for each. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paretune.objectives.profiling.base import shares
from paretune.search.profiling.advice.gains import Sheet
from paretune.search.profiling.advice.tried import WHAT, Change, Tried
from paretune.search.study.units import format_times

DOMINANT = 0.2
"""Share of the time, or twice that of the parameters, from which on a layer is worth a change of
its own."""

MOST = 3
"""Layers that are spoken of."""

WORTH = 0.03
"""A change that saves less of time and file is not worth a line."""


@dataclass(frozen=True)
class Finding:
    """What is so, and what could be done.

    Attributes:
        layer: Path; "" for the whole network.
        fact: "conv2 takes 61 % of the time and holds 3 % of the parameters".
        tries: The changes that gain something, best first, with their words.
    """

    layer: str
    fact: str
    tries: tuple[tuple[str, Tried], ...]


def worst_layers(sheet: Sheet) -> list[str]:
    """Paths of the layers worth a change of their own, worst first."""
    time = shares(sheet.ms)
    held = shares({layer.path: float(layer.parameters) for layer in sheet.layers})
    paths = [layer.path for layer in sheet.layers if layer.path]
    slow = [path for path in paths if time.get(path, 0.0) >= DOMINANT]
    big = [path for path in paths if held[path] >= 2 * DOMINANT]
    ordered = sorted(slow, key=lambda p: -time[p]) + sorted(big, key=lambda p: -held[p])
    return list(dict.fromkeys(ordered))[:MOST]


def findings(sheet: Sheet, tried: Sequence[Tried]) -> list[Finding]:
    """One for each of the worst layers, and one for the whole network."""
    found = [
        Finding(path, _fact(sheet, path), _worded(tried, path)) for path in worst_layers(sheet)
    ]
    return [*found, Finding("", _whole(sheet), _worded(tried, ""))]


def _fact(sheet: Sheet, path: str) -> str:
    layer = sheet.by_path[path]
    time = shares(sheet.ms).get(path, 0.0)
    held = shares({layer.path: float(layer.parameters) for layer in sheet.layers})[path]
    parts = [f"takes {percent(time)} of the time"] if time >= DOMINANT else []
    if held >= 2 * DOMINANT:
        parts.append(f"holds {percent(held)} of the parameters")
    return f"{path} ({layer.kind}) {' and '.join(parts)}"


def _whole(sheet: Sheet) -> str:
    time = shares(sheet.ms)
    most = max(time, key=lambda path: time[path], default="")
    if time and time[most] < DOMINANT:
        return (
            f"no layer takes more than {percent(time[most])} of the time"
            + (f" ({most})" if most else "")
            + "; the whole network"
        )
    return "the whole network"


def _worded(tried: Sequence[Tried], path: str) -> tuple[tuple[str, Tried], ...]:
    ours = [t for t in tried if t.layer == path and _worth(t) >= WORTH]
    ordered = sorted(ours, key=lambda t: (t.estimate.time, t.estimate.size))
    return tuple((words(t), t) for t in ordered)


def _worth(tried: Tried) -> float:
    return max(1 - tried.estimate.time, 1 - tried.estimate.size)


def words(tried: Tried) -> str:
    """`depthwise separable: 1/8.4 of its MACs; about 47 % less time, 3 % smaller`."""
    e = tried.estimate
    parts = []
    if tried.change in (Change.SEPARABLE, Change.POOL, Change.HALVE) and e.layer_macs < 0.99:
        parts.append(f"1/{1 / e.layer_macs:.2g} of its MACs")
    if tried.change in (Change.HALVE_ALL, Change.LOWER):
        parts.append(f"1/{1 / e.macs:.2g} of the MACs")
    gains = []
    if 1 - e.time >= 0.01:
        gains.append(f"about {percent(1 - e.time)} less time")
    else:
        gains.append("about the same time" if e.time < 1.01 else f"{percent(e.time - 1)} more time")
    if 1 - e.size >= 0.01:
        gains.append(f"a file {format_times(1 / e.size)} smaller")
    return f"{WHAT[tried.change]}: {'; '.join([*parts, ', '.join(gains)])}"


def percent(share: float) -> str:
    """`61 %`; `0.4 %` below one."""
    return f"{100 * share:.0f} %" if share >= 0.0095 or not share else f"{100 * share:.1g} %"


def to_json(found: Sequence[Finding]) -> list[Mapping[str, object]]:
    """Findings as JSON; estimates are what stays, as a share of what was."""
    return [
        {
            "layer": finding.layer,
            "fact": finding.fact,
            "tries": [
                {
                    "change": t.change.value,
                    "text": text,
                    "stays": {
                        "time": t.estimate.time,
                        "macs": t.estimate.macs,
                        "parameters": t.estimate.parameters,
                        "size": t.estimate.size,
                        "layer_macs": t.estimate.layer_macs,
                    },
                    "space": t.hint,
                }
                for text, t in finding.tries
            ],
        }
        for finding in found
    ]
