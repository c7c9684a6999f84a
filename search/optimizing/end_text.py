"""The end of an optimization in words."""

from __future__ import annotations

from paretune.search.export.summary_text import summary_text
from paretune.search.optimizing.optimizer import OptimizeEnd
from paretune.search.optimizing.story import goal_lines
from paretune.search.study.durations import duration
from paretune.search.views.infeasibility import infeasible_lines


def end_lines(end: OptimizeEnd) -> list[str]:
    """Returns why it ended, how the exported trial stands to the goals, and the export."""
    lines = ["", f"{end.reason} ({duration(end.seconds)})"]
    if end.choice is None:
        return [
            *lines,
            "no trial is complete, so nothing is exported",
            *infeasible_lines(end.record),
        ]
    base = end.record.baseline
    lines += goal_lines(end.choice, base.measurements if base else {})
    lines.append(f"exported: {end.choice.rule}")
    if end.export is not None:
        lines += ["", summary_text(end.export)]
    return [*lines, "", f"study: {end.study}"]
