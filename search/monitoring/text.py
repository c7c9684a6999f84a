"""The comparison of a log with its export as tables of text."""

from __future__ import annotations

from paretune.search.monitoring.drift import ALPHA, LEAST_DISTANCE, Drift
from paretune.search.monitoring.labels import Score
from paretune.search.monitoring.latency import SLOWER, Latency
from paretune.search.monitoring.monitor import MonitorResult
from paretune.search.study.units import format_value

SIGNS = {"ok": "ok", "off": "OFF", "untested": "-", "not compared": "-"}


def monitor_text(result: MonitorResult) -> str:
    """Returns the tables, the notes and what to do next."""
    blocks = [_head(result), *_tables(result)]
    if result.notes:
        blocks.append("\n".join(f"note: {note}" for note in result.notes))
    blocks.append(verdict(result))
    if result.steps:
        lines = ["next:"]
        for step in result.steps:
            lines += [f"  {step.why}", *([f"    {step.command}"] if step.command else [])]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _head(result: MonitorResult) -> str:
    records, content = result.records, result.manifest.content
    first, last = result.period()
    processes = len(set(records.process))
    return (
        f"{records.artifact['file']} of trial {content.get('trial')}, study "
        f"{content.get('study')}: {len(records.seconds):,} calls, {records.examples:,} examples, "
        f"{processes} process{'es' * (processes != 1)}, {first} to {last}"
    )


def _tables(result: MonitorResult) -> list[str]:
    tables = [
        _table(
            ["latency", "batch", "calls", "median (95 %)", "p95", "recorded (95 %)", "ratio", ""],
            [latency_cells(row) for row in result.latency],
        )
    ]
    if result.drift:
        header = ["drift", "reference", "log", "distance", "p", "examples", ""]
        tables.append(_table(header, [drift_cells(row) for row in result.drift]))
    if result.scores:
        header = ["labels", "score (95 %)", "recorded (95 %)", "examples", "p", ""]
        tables.append(_table(header, [score_cells(row) for row in result.scores]))
    return tables


def latency_cells(row: Latency) -> list[str]:
    """Returns the cells of one row of the latencies."""
    recorded = ""
    if row.recorded is not None:
        recorded = f"{ms(row.recorded)} ({ms_range(row.recorded_low, row.recorded_high)})"
    sign = SIGNS[row.level] + (f": {row.reason}" if row.reason else "")
    ratio = f"{row.ratio:.2f}x" if row.ratio else ""
    median = f"{ms(row.median)} ({ms_range(row.low, row.high)})"
    return [row.host, str(row.batch), f"{row.calls:,}", median, ms(row.p95), recorded, ratio, sign]


def ms(value: float) -> str:
    """Returns a duration: `0.182 ms`."""
    return format_value(value, "ms")


def ms_range(low: float | None, high: float | None) -> str:
    """Returns the ends of an interval: `0.18-0.19`."""
    return f"{low:.3g}-{high:.3g}" if low is not None and high is not None else ""


def drift_cells(row: Drift) -> list[str]:
    """Returns the cells of one row of the drift."""
    effective = "" if row.effective > 0.95 * row.count else f" (as {row.effective:.0f})"
    sign = SIGNS[row.level] + (f": {row.detail}" if row.level == "off" and row.detail else "")
    if row.level == "untested":
        sign = "- too few examples"
    return [
        row.name,
        number(row.reference, row),
        number(row.value, row),
        f"{row.effect:.3f}",
        p_text(row.corrected),
        f"{row.count:,}{effective}",
        sign,
    ]


def number(value: float | None, row: Drift) -> str:
    """Returns a median, or the share of examples with NaN."""
    if value is None:
        return ""
    return f"{100 * value:.3g} %" if row.test == "Fisher" else f"{value:.3g}"


def score_cells(row: Score) -> list[str]:
    """Returns the cells of one row of the scores."""
    recorded = ""
    if row.recorded is not None:
        ends = _ends(row.recorded_low, row.recorded_high, row.unit)
        recorded = f"{format_value(row.recorded, row.unit)} ({ends}, {row.part})"
    score = f"{format_value(row.value, row.unit)} ({_ends(row.low, row.high, row.unit)})"
    p = "" if row.p is None else p_text(row.p)
    return [row.name, score, recorded, f"{row.count:,}", p, SIGNS[row.level]]


def _ends(low: float | None, high: float | None, unit: str) -> str:
    if low is None or high is None:
        return ""
    scale = 100 if unit == "fraction" else 1
    return f"{scale * low:.3g}-{scale * high:.3g}"


def p_text(p: float) -> str:
    """Returns a p-value with one or two digits: `0.3`, `<1e-12`."""
    if p < 1e-12:
        return "<1e-12"
    return f"{p:.2f}" if p >= 0.095 else f"{p:.1g}"


def verdict(result: MonitorResult) -> str:
    """Returns the result in a sentence or two."""
    tested = [row for row in result.drift if row.level != "untested"]
    if not result.ok:
        return f"OFF: {', '.join(result.alarms)}. {thresholds()}"
    if not tested:
        return f"nothing is off, but there are too few examples to test for drift. {thresholds()}"
    return f"calm: nothing is off in {len(tested)} tests. {thresholds()}"


def thresholds() -> str:
    """Returns when something counts as off."""
    return (
        f"Off is: a corrected p below {ALPHA:g} and a distance of at least {LEAST_DISTANCE:g}; a "
        f"latency above {SLOWER:g} times the recorded one."
    )


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
