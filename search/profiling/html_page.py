"""A profile as one HTML file that opens offline, and as JSON next to it."""

from __future__ import annotations

import json
from pathlib import Path

import jinja2
from plotly.offline import get_plotlyjs

from paretune.search.errors import UserError
from paretune.search.files import write_atomically
from paretune.search.profiling.advice.advice import rejected_text
from paretune.search.profiling.figures import layers_figure, operators_figure
from paretune.search.profiling.profile import Profile
from paretune.search.profiling.text import (
    conditions_text,
    number_text,
    share_text,
    times_text,
)
from paretune.search.study.units import format_value

PAGE = Path(__file__).parent / "page"

STYLE = Path(__file__).parents[1] / "views" / "page" / "report.css"
"""The report and the profile share one style sheet."""

HTML, JSON = "profile.html", "profile.json"


def write_profile(profile: Profile, folder: Path) -> list[Path]:
    """Writes the page and the JSON; returns the paths of both.

    Args:
        profile: The profile.
        folder: Created if it does not exist.

    Raises:
        UserError: A file cannot be written.
    """
    content = json.dumps(profile.to_json(), indent=2)
    try:
        return [
            write_atomically(folder / HTML, profile_html(profile)),
            write_atomically(folder / JSON, content + "\n"),
        ]
    except OSError as error:
        raise UserError(f"-o {folder}: cannot be written: {error.strerror}") from error


def profile_html(profile: Profile) -> str:
    """Returns the page; the template escapes every text of the network."""
    figures = {
        "layers": json.loads(layers_figure(profile).to_json()),
        "operators": json.loads(operators_figure(profile).to_json()),
    }
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGE), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("profile.html").render(
        profile=profile,
        conditions=conditions_text(profile),
        times=times_text(profile),
        rejected=rejected_text(profile.formats),
        numbers=[(m.name, number_text(m)) for m in profile.numbers],
        rows=profile.rows,
        share=share_text,
        value=format_value,
        # "</" could end the script element around it.
        figures=json.dumps(figures).replace("</", "<\\/"),
        style=STYLE.read_text(encoding="utf-8"),
        plotly=get_plotlyjs(),
    )
