"""Advice in words: the layers that cost most, and the changes that would help. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paretune.objectives.profiling.base import shares
from paretune.search.profiling.advice.change import (
    DESCRIPTIONS,
    FORMATS,
    Change,
    EstimatedChange,
    TriedFormat,
)
from paretune.search.profiling.advice.estimates import ChangeEstimate, NetworkCosts
from paretune.search.profiling.advice.space_lines import space_line
from paretune.search.study.units import format_times

DOMINANT = 0.2
"""A layer with this share of the time, or twice this share of the parameters, gets advice."""

MOST_LAYERS = 3
"""Largest number of layers that get advice."""

WORTH = 0.03
"""Changes that save a smaller share of both time and file size are left out."""


@dataclass(frozen=True)
class Advice:
    """A statement about a layer or the whole network, and the changes that would help.

    Attributes:
        layer: Path; "" for the whole network.
        fact: "conv2 (Conv2d) takes 61 % of the time and holds 3 % of the parameters".
        changes: (text, change) of the changes that help, best first.
    """

    layer: str
    fact: str
    changes: tuple[tuple[str, EstimatedChange], ...]

    @property
    def heading(self) -> str:
        """The fact, with the words that lead to the changes."""
        return self.fact + (":" if self.changes else ": no change saves 3 % or more")


def worst_layers(costs: NetworkCosts) -> list[str]:
    """Returns the paths of the layers that get advice, worst first."""
    time = shares(costs.ms)
    parameters = _parameter_shares(costs)
    paths = [layer.path for layer in costs.layers if layer.path]
    slow = [path for path in paths if time.get(path, 0.0) >= DOMINANT]
    large = [path for path in paths if parameters[path] >= 2 * DOMINANT]
    ordered = sorted(slow, key=lambda p: -time[p]) + sorted(large, key=lambda p: -parameters[p])
    return list(dict.fromkeys(ordered))[:MOST_LAYERS]


def advice_for(
    costs: NetworkCosts,
    changes: Sequence[EstimatedChange],
    formats: Sequence[TriedFormat] = (),
) -> list[Advice]:
    """Returns advice for each of the worst layers, and for the whole network at the end.

    Args:
        costs: Measured costs of the network.
        changes: Changes with their estimates.
        formats: Number formats that were tried. Those that are slower are not advised.
    """
    layers = worst_layers(costs)
    by_layer = [Advice(path, _layer_fact(costs, path), _in_words(changes, path)) for path in layers]
    of_network = [*_in_words(changes, ""), *_formats_in_words(formats)]
    of_network.sort(key=lambda item: (item[1].estimate.time, item[1].estimate.size))
    return [*by_layer, Advice("", _network_fact(costs), tuple(of_network))]


def _parameter_shares(costs: NetworkCosts) -> dict[str, float]:
    return shares({layer.path: float(layer.parameters) for layer in costs.layers})


def _layer_fact(costs: NetworkCosts, path: str) -> str:
    layer = costs.by_path[path]
    time = shares(costs.ms).get(path, 0.0)
    parameters = _parameter_shares(costs)[path]
    facts = [f"takes {percent(time)} of the time"] if time >= DOMINANT else []
    if parameters >= 2 * DOMINANT:
        facts.append(f"holds {percent(parameters)} of the parameters")
    return f"{path} ({layer.kind}) {' and '.join(facts)}"


def _network_fact(costs: NetworkCosts) -> str:
    time = shares(costs.ms)
    slowest = max(time, key=lambda path: time[path], default="")
    if time and time[slowest] < DOMINANT:
        layer = f", the slowest is {slowest}" if slowest else ""
        return f"The whole network (no layer takes more than {percent(time[slowest])}{layer})"
    return "The whole network"


def _in_words(
    changes: Sequence[EstimatedChange], path: str
) -> tuple[tuple[str, EstimatedChange], ...]:
    of_layer = [change for change in changes if change.layer == path and _saving(change) >= WORTH]
    ordered = sorted(of_layer, key=lambda change: (change.estimate.time, change.estimate.size))
    return tuple((words(change), change) for change in ordered)


def _formats_in_words(
    formats: Sequence[TriedFormat],
) -> Sequence[tuple[str, EstimatedChange]]:
    """Returns the formats worth a search as one change; empty if none is."""
    good = [f for f in formats if f.reason is None and not f.slower]
    good = [f for f in good if max(1 - f.high, 1 - f.size) >= WORTH]
    if not good:
        return ()
    best = min(good, key=lambda f: (f.time, f.size))
    line = space_line(Change.FORMAT, "", {}, modes=[f.mode for f in good])
    estimate = ChangeEstimate(time=best.time, macs=1.0, parameters=1.0, size=best.size)
    text = f"{DESCRIPTIONS[Change.FORMAT]}: {'; '.join(map(_format_text, good))}"
    return ((text, EstimatedChange("", Change.FORMAT, estimate, line)),)


def _format_text(tried: TriedFormat) -> str:
    """Returns text: `static int8 52 % less time, a file 4.0x smaller`."""
    time = f"{percent(1 - tried.time)} less time" if tried.high < 1 else "about the same time"
    smaller = f", a file {format_times(1 / tried.size)} smaller" if tried.size <= 0.99 else ""
    return f"{FORMATS[tried.mode]} {time}{smaller}"


def rejected_text(formats: Sequence[TriedFormat]) -> str:
    """Returns which formats are not advised, and why; empty if all are."""
    slower = [
        f"{FORMATS[f.mode]} takes {format_times(f.time)} the time" for f in formats if f.slower
    ]
    refused = [f"{FORMATS[f.mode]} cannot be deployed ({f.reason})" for f in formats if f.reason]
    if not slower and not refused:
        return ""
    return f"Tried here and left out: {'; '.join([*slower, *refused])}."


def _saving(change: EstimatedChange) -> float:
    return max(1 - change.estimate.time, 1 - change.estimate.size)


def words(change: EstimatedChange) -> str:
    """Returns text: `depthwise separable convolution: 1/8.4 of its MACs; about 47 % less time`."""
    estimate = change.estimate
    counts = []
    if change.kind in (Change.SEPARABLE, Change.POOL, Change.HALVE) and estimate.layer_macs < 0.99:
        counts.append(f"1/{1 / estimate.layer_macs:.2g} of its MACs")
    if change.kind in (Change.HALVE_ALL, Change.LOWER):
        counts.append(f"1/{1 / estimate.macs:.2g} of the MACs")
    if estimate.time <= 0.99:
        gains = [f"about {percent(1 - estimate.time)} less time"]
    elif estimate.time < 1.01:
        gains = ["about the same time"]
    else:
        gains = [f"{percent(estimate.time - 1)} more time"]
    if estimate.size <= 0.99:
        gains.append(f"a file {format_times(1 / estimate.size)} smaller")
    return f"{DESCRIPTIONS[change.kind]}: {'; '.join([*counts, ', '.join(gains)])}"


def percent(share: float) -> str:
    """Returns a share as text: `61 %`, or `0.4 %` if it is below 1 %."""
    return f"{100 * share:.0f} %" if share >= 0.0095 or not share else f"{100 * share:.1g} %"


def to_json(advice: Sequence[Advice]) -> list[Mapping[str, object]]:
    """Returns advice as JSON; "stays" has the shares that remain after the change."""
    return [
        {
            "layer": item.layer,
            "fact": item.fact,
            "tries": [
                {
                    "change": change.kind.value,
                    "text": text,
                    "stays": {
                        "time": change.estimate.time,
                        "macs": change.estimate.macs,
                        "parameters": change.estimate.parameters,
                        "size": change.estimate.size,
                        "layer_macs": change.estimate.layer_macs,
                    },
                    "space": change.space_line,
                }
                for text, change in item.changes
            ],
        }
        for item in advice
    ]
