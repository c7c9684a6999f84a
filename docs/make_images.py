"""Makes the pictures of docs/tutorial.md from a finished study.

    paretune run studies/quickstart.yaml
    python docs/make_images.py studies/quickstart.yaml

The figures are those of the report; Chromium draws them without a network. Another folder than
docs/images can be given as the second argument.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from paretune.search.database.reader import study_reader
from paretune.search.front.final_front import with_final_front
from paretune.search.locate import locate
from paretune.search.views.front_table import shown_chances
from paretune.search.views.hypervolume_plot import hypervolume_figure
from paretune.search.views.pair_plots import pair_figures
from paretune.search.views.report import write_report

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from paretune.search.study.records import StudyRecord

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--virtual-time-budget=8000",
)
COLOURS = 48
"""Colours of a picture; a palette makes the file a third as large."""

PAIR = "accuracy against latency"


def make_images(record: StudyRecord, folder: Path) -> list[Path]:
    """Writes report.png, trade-off.png and hypervolume.png, and returns their paths.

    Args:
        record: A study with the objectives accuracy and latency.
        folder: Folder of the pictures; it exists.
    """
    trade_off = dict(pair_figures(record, shown_chances(record)))[PAIR]
    trade_off.update_layout(showlegend=True)
    hypervolume = hypervolume_figure(record)
    assert hypervolume is not None, "a finished study has a front"
    with tempfile.TemporaryDirectory() as temporary:
        page = Path(temporary) / "page.html"
        write_report(record, page)
        report = _picture(page, folder / "report.png", 1100, 740)
        return [
            report,
            _figure_picture(trade_off, page, folder / "trade-off.png", 760),
            _figure_picture(hypervolume, page, folder / "hypervolume.png", 760),
        ]


def _figure_picture(figure: go.Figure, page: Path, path: Path, width: int) -> Path:
    figure.write_html(page, include_plotlyjs=True, config={"displayModeBar": False})
    return _picture(page, path, width, figure.layout.height + 16)


def _picture(page: Path, path: Path, width: int, height: int) -> Path:
    """Draws a page with Chromium, and reduces the picture to a palette."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(f"no browser on the PATH; install one of {', '.join(BROWSERS)}")
    size = [f"--window-size={width},{height}", f"--screenshot={path}"]
    subprocess.run([browser, *FLAGS, *size, page.as_uri()], check=True, capture_output=True)
    with Image.open(path) as picture:
        reduced = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    reduced.save(path, optimize=True)
    return path


def main(study: str, folder: str = str(Path(__file__).parent / "images")) -> None:
    """Makes the pictures of a study, named as on the command line of Paretune."""
    with study_reader(locate(study).url) as reader:
        record = with_final_front(reader.record())
    for path in make_images(record, Path(folder)):
        sys.stdout.write(f"{path}: {path.stat().st_size / 1000:.0f} KB\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
