"""A profile for the terminal, in 80 columns. Returns what to print, and prints nothing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from paretune.inputs import Signature, Tokens, shape_text
from paretune.objectives.base import Measurement
from paretune.search.profiling.advice.advice import rejected_text
from paretune.search.profiling.profile import Profile, ProfileRow, worst_rows
from paretune.search.study.units import format_interval, format_quantity, format_value

MOST_LAYERS, MOST_OPERATORS = 15, 8

WIDTH = 22
"""Columns of a layer's path; of a longer one the end is shown, which differs most."""

KIND = 9
"""Columns of a layer's kind."""

PERCENTILES = ("p50", "p90", "p99")


def profile_view(profile: Profile) -> RenderableType:
    """Returns measurements, layers, operators and advice."""
    parts: list[RenderableType] = [
        Text(profile.subject, style="bold"),
        Text(conditions_text(profile), style="dim"),
        _numbers(profile),
        _layers(profile),
        _operators(profile),
        Text(times_text(profile), style="dim"),
    ]
    if profile.note:
        parts.append(Text(profile.note, style="yellow"))
    return Group(*parts, Text(), *_advice(profile))


def conditions_text(profile: Profile) -> str:
    """Returns text: `onnxruntime (provider cpu, threads 1), batch 1, input 3x32x32; AMD EPYC`."""
    options = ", ".join(f"{name} {value}" for name, value in profile.options.items())
    if isinstance(profile.shape, Tokens):
        shape = f"{profile.shape.length} tokens, vocabulary {profile.shape.vocabulary}"
    elif isinstance(profile.shape, Signature):
        shape = shape_text(profile.shape)
    else:
        shape = "x".join(map(str, profile.shape))
    return (
        f"{profile.runtime}{f' ({options})' if options else ''}, batch {profile.times.batch}, "
        f"input {shape}; {profile.host.get('cpu', 'unknown processor')}"
    )


def times_text(profile: Profile) -> str:
    """Returns how the latency was divided, and what the profiler adds to a run."""
    times = profile.times
    outside = profile.scale * times.outside
    return (
        f"The times are parts of the latency, {format_value(profile.latency, 'ms')}, as "
        f"{times.source}'s profiler divides it ({times.runs} runs; the profiler makes a run "
        f"{100 * times.overhead:.0f} % longer)."
        + (f" Outside of all layers: {format_value(outside, 'ms')}." if outside else "")
    )


def number_text(measured: Measurement) -> str:
    """Returns the value with its interval, and the percentiles of a latency."""
    text = format_quantity(measured.value, measured)
    spread = format_interval(measured)
    percentiles = [
        f"{name} {format_value(measured.conditions[f'{name}_ms'], 'ms')}"
        for name in PERCENTILES
        if measured.name == "latency" and f"{name}_ms" in measured.conditions
    ]
    return "  ".join(x for x in (text, spread, ", ".join(percentiles)) if x)


def _numbers(profile: Profile) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    for measured in profile.numbers:
        grid.add_row(measured.name, number_text(measured))
    return Padding(grid, (1, 0, 1, 2))


def _layers(profile: Profile) -> RenderableType:
    table = Table(
        box=box.SIMPLE_HEAD,
        title="by layer, slowest first",
        title_justify="left",
        padding=(0, 1, 0, 0),  # the box adds another space between two columns
    )
    table.add_column("layer", no_wrap=True, max_width=WIDTH)
    table.add_column("kind", no_wrap=True, max_width=KIND)
    for heading in ("ms", "time", "cum.", "MACs", "param.", "mem."):
        table.add_column(heading, justify="right", no_wrap=True)
    rows = profile.rows
    first = worst_rows(rows, MOST_LAYERS)
    sums = accumulate(row.shares["time"] for row in first)
    for row, cumulative in zip(first, sums, strict=True):
        table.add_row(*_cells(row, cumulative))
    rest = rows[len(first) :]
    if any(max(row.shares.values()) > 0 for row in rest):
        table.add_row(*_rest(rest), style="dim")
    return table


def _cells(row: ProfileRow, cumulative: float) -> Iterator[str]:
    yield shorten(row.name, WIDTH)
    yield row.layer.kind[:KIND]
    yield f"{row.ms:.3g}" if row.ms else "fused"
    yield share_text(row.shares["time"])
    yield share_text(cumulative)
    yield from (share_text(row.shares[name]) for name in ("macs", "parameters", "memory"))


def _rest(rows: list[ProfileRow]) -> Iterator[str]:
    yield f"{len(rows)} more"
    yield ""
    yield f"{sum(row.ms for row in rows):.3g}"
    yield share_text(sum(row.shares["time"] for row in rows))
    yield share_text(1.0)
    for name in ("macs", "parameters", "memory"):
        yield share_text(sum(row.shares[name] for row in rows))


def _operators(profile: Profile) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, title="by operator", title_justify="left")
    table.add_column("operator", no_wrap=True)
    for heading in ("ms", "time", "cum."):
        table.add_column(heading, justify="right", no_wrap=True)
    first = profile.operators[:MOST_OPERATORS]
    sums = accumulate(share for _, _, share in first)
    for (name, ms, share), cumulative in zip(first, sums, strict=True):
        table.add_row(name, f"{ms:.3g}", share_text(share), share_text(cumulative))
    return table


def _advice(profile: Profile) -> Iterator[RenderableType]:
    yield Text("what to try (a search measures the loss of accuracy)", style="bold")
    for advice in profile.advice:
        yield Text(advice.heading)
        for text, change in advice.changes:
            yield Padding(Text(text), (0, 0, 0, 2))
            yield Padding(Text(change.space_line, style="dim"), (0, 0, 0, 6))
    if rejected := rejected_text(profile.formats):
        yield Text(rejected)


def shorten(name: str, width: int) -> str:
    """Returns the end of a name that is longer than `width`."""
    return name if len(name) <= width else "…" + name[1 - width :]


def share_text(share: float) -> str:
    """Returns a share as text: `61 %`, `<1 %` for a small share, and "" for 0."""
    if not share:
        return ""
    return f"{100 * share:.0f} %" if share >= 0.0095 else "<1 %"
