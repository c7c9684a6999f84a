"""The output of a preflight on a terminal."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from paretune.search.preflight.estimate import duration
from paretune.search.preflight.preflight import PreflightInfo

STYLES = {"ok": "green", "note": "yellow", "infeasible": "yellow", "skipped": "dim"}

UNCERTAIN = (
    "The estimate is from random plans, for one process, as busy as the machine is now. Real times "
    "are often half or twice as long: the sampler chooses other networks, and some trials end "
    "early."
)


MOST_TEXT = 100
"""Characters of a mistake in the table."""


def preflight_view(info: PreflightInfo) -> RenderableType:
    """Returns a table of what was tried, and the estimate."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("check", no_wrap=True)
    table.add_column("tried")
    table.add_column("result")
    last = ""
    for finding in info.findings:
        name, last = ("" if finding.check == last else finding.check), finding.check
        word = "" if finding.state == "ok" else f"{finding.state}: "
        text = finding.text if finding.state != "mistake" else _begin(finding.text)
        result = Text(word, style=STYLES.get(finding.state, "red")).append(text, style="default")
        table.add_row(name, Text(finding.item), result)
    parts: list[RenderableType] = [table]
    if info.estimate is not None:
        parts.append(Text(info.estimate.text(), style="bold"))
        parts.append(Text(UNCERTAIN, style="dim"))
    parts.append(Text(f"This check took {duration(info.seconds)}; it left no file.", style="dim"))
    return Group(*parts)


def _begin(text: str) -> str:
    """Returns the begin of a mistake's text; the whole text follows under the table."""
    return text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT - 4].rstrip()} ..."


def summary_lines(info: PreflightInfo) -> list[str]:
    """Returns what a run prints before its first trial, a few lines."""
    counted = [
        (info.count("architecture"), "network"),
        (info.count("pruning"), "pruning"),
        (info.count("quantization"), "format"),
    ]
    tried = ", ".join(f"{n} {word}{'s' if n > 1 else ''}" for n, word in counted if n)
    head = f"checked {tried or 'the study'}"
    estimated = f"; {info.estimate.short()}" if info.estimate else ""
    notes = [f for f in info.findings if f.state in ("infeasible", "note") and f.check != "disk"]
    lines = [f"{head} in {duration(info.seconds)}{estimated}"]
    lines += [f"  {f.state}: {f.item}: {f.text}" for f in notes[:MOST_NOTES]]
    if len(notes) > MOST_NOTES:
        lines.append(f"  {len(notes) - MOST_NOTES} more: paretune check STUDY --full")
    return lines


MOST_NOTES = 3
"""Notes that a run prints."""
