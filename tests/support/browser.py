"""Drives pages of `paretune serve` in the system's Chromium."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)

needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")


@contextmanager
def started_browser() -> Iterator[Browser]:
    """Yields a browser; each of its pages gets a profile of its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_pages(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Yields `open_page(address, **context options)`; afterwards no page may have had an error.

    A page has its errors in `page.problems`, and the hosts that it asked in `page.hosts`.
    """
    pages: list[Any] = []

    def open_page(address: str, **options: Any) -> Any:
        page: Any = browser.new_context(accept_downloads=True, **options).new_page()
        page.problems, page.hosts = [], set()
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("console", lambda m: page.problems.append(m.text) if m.type == "error" else 0)
        page.on("request", lambda request: page.hosts.add(request.url.split("/")[2]))
        page.set_default_timeout(200_000)
        pages.append(page)
        page.goto(address)
        return page

    try:
        yield open_page
        for page in pages:
            assert page.problems == []
    finally:
        for page in pages:
            page.context.close()


def points(page: Page, kind: str = "") -> list[int]:
    """Returns the trial numbers of the points that the first plot draws.

    Args:
        page: The page of a study.
        kind: "outside" for those that break a bound, "best" for the ring; empty for all others.
    """
    # Traces: the line, then outside, breaks, dominated, near, front, baseline, then three rings.
    chosen = {"outside": "[1]", "best": "[7]"}.get(kind, "[2,3,4,5,6]")
    script = f"{chosen}.flatMap(i => document.querySelector('#pairs .plot').data[i].customdata)"
    numbers: list[int] = page.evaluate(script)
    return sorted(numbers)


def wait_for_plot(page: Page) -> None:
    """Waits until the first plot is drawn."""
    page.locator("#trade-offs").scroll_into_view_if_needed()
    until(page, "document.querySelector('#pairs .plot')?.data?.length > 0")


def until(page: Page, condition: str, seconds: float = 200) -> None:
    """Waits for a condition; `page.wait_for_function` would need `unsafe-eval`."""
    end = time.monotonic() + seconds
    while not page.evaluate(f"Boolean({condition})"):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(100)


def lonely_point(page: Page) -> tuple[int, float, float]:
    """Returns the point of the first plot that is farthest from all others, and no baseline.

    Returns:
        The trial number, and the position in the window in pixels.
    """
    script = """() => {
        const plot = document.querySelector('#pairs .plot'), { xaxis, yaxis } = plot._fullLayout;
        const box = plot.getBoundingClientRect(), points = [];
        for (const { customdata, x, y } of plot.data.slice(2, 7)) {
            customdata.forEach((number, at) => points.push([number,
                box.left + xaxis._offset + xaxis.d2p(x[at]),
                box.top + yaxis._offset + yaxis.d2p(y[at])]));
        }
        const room = (a) => Math.min(...points.filter((b) => b !== a).map(
            (b) => Math.hypot(a[1] - b[1], a[2] - b[2])));
        return points.filter(([number]) => number > 0).reduce(
            (best, point) => (room(point) > room(best) ? point : best));
    }"""
    number, across, down = page.evaluate(script)
    return number, across, down


def drag_zoom(page: Page) -> list[float]:
    """Zooms into the first plot by dragging, as users do; returns the new range of its y axis."""
    shown = "document.querySelector('#pairs .plot')._fullLayout.yaxis.range"
    before = page.evaluate(shown)
    box = page.locator("#pairs .plot .nsewdrag").first.bounding_box()
    assert box is not None
    corner = (box["x"] + 0.1 * box["width"], box["y"] + 0.1 * box["height"])
    page.mouse.move(*corner)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.5 * box["height"], steps=5)
    page.mouse.up()
    until(page, f"{shown}[0] !== {before[0]}")
    page.wait_for_timeout(500)  # the zoom is animated
    zoomed: list[float] = page.evaluate(shown)
    return zoomed


def set_bound(page: Page, label: str, value: float) -> None:
    """Types a bound into its number field, in the unit that the page shows."""
    page.get_by_label(f"{label}, as a number").fill(str(value))


def scrolls_sideways(page: Page) -> bool:
    """Returns whether the page is wider than its window."""
    wide: bool = page.evaluate("document.documentElement.scrollWidth > innerWidth")
    return wide


def served_address(log: Path) -> str:
    """Returns the address that `paretune serve` has printed."""
    line = next(line for line in log.read_text().splitlines() if "serving at " in line)
    return line.partition("serving at ")[2].strip()
