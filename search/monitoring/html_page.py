"""The comparison of a log with its export as one HTML file that opens offline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

from paretune.search.errors import UserError
from paretune.search.export.log_script import MONITORING, calls_for
from paretune.search.files import write_atomically
from paretune.search.monitoring.charts import HEIGHT, WIDTH, bars_of, line_of
from paretune.search.monitoring.drift import Drift
from paretune.search.monitoring.monitor import MonitorResult, class_names
from paretune.search.monitoring.text import (
    drift_cells,
    latency_cells,
    number,
    p_text,
    score_cells,
    thresholds,
)

PAGE = Path(__file__).parent / "page"

STYLE = Path(__file__).parents[1] / "views" / "page" / "report.css"
"""The report and this page share one style sheet."""


def write_page(result: MonitorResult, file: Path) -> Path:
    """Writes the page and returns its path.

    Raises:
        UserError: It cannot be written.
    """
    try:
        return write_atomically(file, page_html(result))
    except OSError as error:
        raise UserError(f"-o {file}: cannot be written: {error.strerror}") from error


def page_html(result: MonitorResult) -> str:
    """Returns the page; the template escapes every text of the log and the manifest."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGE), autoescape=True, undefined=jinja2.StrictUndefined
    )
    rows = sorted(result.drift, key=lambda row: row.level != "off")  # stable: what is off first
    charts = [_chart(result, row) for row in rows]
    return environment.get_template("monitor.html").render(
        result=result,
        content=result.manifest.content,
        records=result.records,
        period=result.period(),
        answer=_answer(result),
        latency=[(row, latency_cells(row)) for row in result.latency],
        charts=charts,
        constant=", ".join(chart["row"].name for chart in charts if chart["constant"]),
        rows=[(row, drift_cells(row)) for row in rows],
        scores=[(row, score_cells(row)) for row in result.scores],
        thresholds=thresholds(),
        width=WIDTH,
        height=HEIGHT,
        style=STYLE.read_text(encoding="utf-8"),
    )


def _answer(result: MonitorResult) -> str:
    if result.ok:
        return "Calm: nothing is off."
    parts = []
    slow = [row for row in result.latency if row.level == "off"]
    if slow:
        parts.append(f"calls take {slow[0].ratio:.2g} times as long as in the study")
    drifted = [row for row in result.drift if row.level == "off"]
    if drifted:
        worst = max(drifted, key=lambda row: row.effect)
        parts.append(
            f"{len(drifted)} of {len(result.drift)} statistics have drifted, most of all "
            f"{worst.name} (distance {worst.effect:.2f})"
        )
    worse = [row.name for row in result.scores if row.level == "off"]
    if worse:
        parts.append(f"{' and '.join(worse)} on the labels is worse than recorded")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _chart(result: MonitorResult, row: Drift) -> dict[str, Any]:
    """Returns what the template draws for one statistic."""
    records, content = result.records, result.manifest.content
    calls = calls_for(records.artifact, content)
    assert calls is not None, "the reference was there"
    sketch = content[MONITORING]["reference"][records.artifact["file"]]["validation"][row.name]
    values, is_class = records.statistics[row.name], "counts" in sketch
    bars = bars_of(sketch, values, class_names(content, calls)) if is_class else []
    line = None if is_class else line_of(sketch, values)
    return {
        "row": row,
        "bars": bars,
        "widest": max([1.0, *(max(bar.reference, bar.value) for bar in bars)]),
        "line": line,
        "constant": line is not None and line.low == line.high and row.level != "off",
        "reference": number(row.reference, row),
        "value": number(row.value, row),
        "p": p_text(row.corrected),
    }
