"""The page of a comparison: complete, offline, and safe with any text of a log."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paretune.search.export.monitoring_reference import sketch
from paretune.search.monitoring.charts import HEIGHT, WIDTH, bars_of, line_of
from support.command_line import Cli
from support.logged_exports import run_stream


class _Texts(HTMLParser):
    """Collects texts, tags and addresses of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.addresses: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href") and value]

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


@pytest.fixture
def page(exported: Path, tmp_path: Path, test_images: Any, cli: Cli) -> str:
    """The page of a drifted log with labels, whose header holds HTML."""
    log, labels, file = (tmp_path / name for name in ("calls.jsonl", "labels.csv", "page.html"))
    run_stream(exported, log, np.roll(test_images[0][:200], 2, axis=3))
    log.write_text(log.read_text().replace('"host":"', '"host":"<script>alert(1)</script>', 1))
    labels.write_text("label\n" + "\n".join(map(str, test_images[1][:200])))
    result = cli("monitor", exported, "--log", log, "--labels", labels, "-o", file)
    assert result.code == 1 and f"page: {file}" in result.out, result.err
    return file.read_text()


def test_page_tells_what_is_off(page: str) -> None:
    found = _Texts(page)
    text = " ".join(found.texts)
    assert "statistics have drifted, most of all outputs." in text
    assert "accuracy on the labels is worse than recorded" in text
    assert "p below 0.001" in text and "Kolmogorov-Smirnov" in text
    assert found.tags.count("svg") >= 3 and found.tags.count("table") == 3


def test_page_needs_nothing_else_and_runs_no_text_of_the_log(page: str) -> None:
    found = _Texts(page)
    assert found.addresses == [] and "script" not in found.tags
    assert "http" not in page and "&lt;script&gt;" in page


def test_page_that_cannot_be_written_is_refused(
    cli: Cli, exported: Path, tmp_path: Path, test_images: Any
) -> None:
    log = tmp_path / "calls.jsonl"
    run_stream(exported, log, test_images[0][:40])
    (tmp_path / "folder").mkdir()
    result = cli("monitor", exported, "--log", log, "-o", tmp_path / "folder")
    assert result.code == 2 and "cannot be written" in result.err


def test_line_lies_in_its_chart() -> None:
    values = np.r_[np.zeros(50), np.full(50, 9.0)]
    line = line_of(sketch("outputs.confidence", [*np.linspace(0, 1, 99)]), values)
    assert line is not None and (line.low, line.high) == (0.0, 9.0)
    points = [tuple(map(float, each.split(","))) for each in line.points.split()]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
    assert points[0][1] > line.middle > points[-1][1] and line.top < line.bottom
    assert line_of(sketch("outputs.confidence", [1.0]), np.array([np.nan])) is None


def test_bars_show_the_classes_that_differ() -> None:
    reference = sketch("outputs.class", [*range(30)] * 10)
    bars = bars_of(reference, np.array([3.0] * 90 + [4.0] * 10), [])
    assert len(bars) == 12
    assert {bar.name: round(bar.value) for bar in bars}["class 3"] == 90


def test_json_and_page_come_together(
    cli: Cli, exported: Path, tmp_path: Path, test_images: Any
) -> None:
    log, file = tmp_path / "calls.jsonl", tmp_path / "page.html"
    run_stream(exported, log, test_images[0][:40])
    result = json.loads(cli("monitor", exported, "--log", log, "-o", file, "--json").out)
    assert result["page"] == str(file) and "Calm: nothing is off." in file.read_text()
