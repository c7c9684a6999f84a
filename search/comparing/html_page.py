"""A comparison of studies as one HTML file that opens offline."""

from __future__ import annotations

import json
from pathlib import Path

import jinja2
from plotly.offline import get_plotlyjs

from paretune.search.comparing.compared_records import ComparisonInfo
from paretune.search.comparing.figures import COLOURS, front_figures
from paretune.search.comparing.text import front_table, hypervolume_text, result_lines
from paretune.search.errors import UserError
from paretune.search.files import write_atomically

PAGE = Path(__file__).parent / "page"

STYLE = Path(__file__).parents[1] / "views" / "page" / "report.css"
"""The report and this page share one style sheet."""


def write_comparison(info: ComparisonInfo, path: Path) -> None:
    """Writes the page.

    Raises:
        UserError: The file cannot be written.
    """
    try:
        write_atomically(path, comparison_html(info))
    except OSError as error:
        raise UserError(f"-o {path}: cannot be written: {error.strerror}") from error


def comparison_html(info: ComparisonInfo) -> str:
    """Returns the page; the template escapes every text of the studies."""
    headings, lines, plans = front_table(info)
    figures = front_figures(info)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGE), autoescape=True, undefined=jinja2.StrictUndefined
    )
    names = [study.name for study in info.studies]
    data = {f"pair-{i}": json.loads(figure.to_json()) for i, (_, figure) in enumerate(figures)}
    return environment.get_template("compare.html").render(
        info=info,
        names=names,
        colours=dict(zip(names, COLOURS * len(names), strict=False)),
        volume=hypervolume_text(info),
        results=result_lines(info)[1:],
        headings=headings,
        rows=list(zip(lines, plans, strict=True)),
        titles=[title for title, _ in figures],
        # "</" could end the script element around it.
        figures=json.dumps(data).replace("</", "<\\/"),
        style=STYLE.read_text(encoding="utf-8"),
        plotly=get_plotlyjs(),
    )
