"""The live page in a real browser, on a real server and a small real study."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from paretune.search.front.final_front import with_final_front
from paretune.search.study.units import format_value
from support.browser import (
    drag_zoom,
    lonely_point,
    needs_browser,
    open_pages,
    points,
    scrolls_sideways,
    served_address,
    set_bound,
    started_browser,
    until,
    wait_for_plot,
)
from support.made_up_study import MadeUpStudy
from support.processes import processes
from support.studies import database_of, record_of

pytestmark = [pytest.mark.slow, needs_browser]

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Returns the browser of all tests; each page has a profile of its own."""
    with started_browser() as browser:
        yield browser


@pytest.fixture
def open_page(browser: Any) -> Iterator[Open]:
    """Returns `open_page(address)`; fails if a page had an error."""
    with open_pages(browser) as opener:
        yield opener


@pytest.fixture(scope="module")
def shown(
    _finished: tuple[Path, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, str]]:
    """Returns a finished study that no test changes, and the address of its server."""
    folder = tmp_path_factory.mktemp("shown") / "studies"
    shutil.copytree(_finished[0], folder)
    with processes(folder.parent) as start:
        yield folder / "tiny.yaml", serve(start, folder)


@pytest.fixture
def address(shown: tuple[Path, str]) -> str:
    """Returns the address of a server of a study that no test changes."""
    return shown[1]


@pytest.fixture
def own_address(finished: Path, start: Any) -> str:
    """Returns the address of a server of the finished study, which the test may change."""
    return serve(start, finished.parent)


def serve(start: Any, folder: Path, *options: object) -> str:
    server = start("serve", folder, "--port", 0, *options)
    server.wait_for("serving at ")
    return served_address(server.log)


def study_page(open_page: Open, address: str, **options: Any) -> Any:
    """Opens the only study of a server by its link on the index."""
    page = open_page(address, **options)
    page.locator("#studies a").first.click()
    page.wait_for_selector("#grid .row")
    return page


def test_page_shows_the_study_and_asks_no_other_host(
    shown: tuple[Path, str], open_page: Open
) -> None:
    file, address = shown
    record = with_final_front(record_of(file))
    page = study_page(open_page, address)
    assert page.locator("h1").inner_text() == "tiny"
    assert page.locator("#front tbody tr").count() >= len(record.members)
    assert page.locator("#grid .row").count() == len(record.trials)
    wait_for_plot(page)
    complete = [t.number for t in record.trials if t.state == "complete" and t.repeat_of is None]
    assert points(page) == complete
    assert page.hosts == {address.split("/")[2]}


def test_bound_greys_points_and_names_the_best_inside(
    shown: tuple[Path, str], open_page: Open
) -> None:
    file, address = shown
    record = with_final_front(record_of(file))
    sizes = sorted({t.values["size"] for t in record.trials if t.feasible and t.number})
    bound = sizes[len(sizes) // 2]
    inside = [t for t in record.trials if t.feasible and t.values["size"] <= bound]
    members = [t for t in inside if t.number in record.members] or inside
    best = max(t.values["accuracy"] for t in members)
    page = study_page(open_page, address)
    wait_for_plot(page)
    unit = page.locator(".bound", has=page.get_by_label("size at most, as a number"))
    factor = {"KB": 1e3, "MB": 1e6, "bytes": 1.0}[unit.locator("span").inner_text()]
    set_bound(page, "size at most", bound / factor)
    until(page, "document.querySelector('#pairs .plot').data[7].x.length === 1")
    [ring] = points(page, "best")
    assert record.trials[ring].values["accuracy"] == best
    assert f"trial {ring}" in page.locator("#bounds").inner_text()
    outside = {t.number for t in record.trials if t.number and t.feasible} - {
        t.number for t in inside
    }
    assert outside <= set(points(page, "outside"))
    assert not set(points(page, "outside")) & {t.number for t in inside}
    page.get_by_text("Clear").click()
    until(page, "document.querySelector('#pairs .plot').data[1].x.length === 0")


def test_click_on_a_point_opens_its_trial(address: str, open_page: Open) -> None:
    page = study_page(open_page, address)
    wait_for_plot(page)
    page.locator("#pairs .plot").first.scroll_into_view_if_needed()
    number, across, down = lonely_point(page)
    page.mouse.click(across, down)
    panel = page.locator("#panel")
    panel.get_by_role("heading", name="What each technique contributed").wait_for()
    assert panel.locator("h2").inner_text() == f"Trial {number}"
    assert "accuracy" in panel.inner_text()
    assert panel.locator(".source").first.inner_text() in ("measured", "estimated", "unknown")
    page.locator("#panel button", has_text="Close").click()
    assert not panel.is_visible()


def test_keyboard_alone_reaches_a_trial_and_comes_back(address: str, open_page: Open) -> None:
    page = study_page(open_page, address)
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "grid":
            break
    assert page.evaluate("document.activeElement.id") == "grid"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.locator("#grid").get_attribute("aria-activedescendant") == "trial-1"
    page.keyboard.press("Enter")
    page.locator("#panel .sentence").wait_for()
    assert page.evaluate("document.getElementById('panel').contains(document.activeElement)")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "grid"


def test_arrow_keys_move_over_the_points_of_a_plot(address: str, open_page: Open) -> None:
    page = study_page(open_page, address)
    wait_for_plot(page)
    page.locator("#pairs .plot").first.focus()
    page.keyboard.press("ArrowRight")
    until(page, "document.querySelector('#live').textContent.includes('accuracy')")
    page.keyboard.press("Enter")
    page.locator("#panel .sentence").wait_for()
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.className").startswith("plot")


def test_new_trials_appear_and_zoom_bounds_and_scroll_stay(
    tmp_path: Path, start: Any, open_page: Open
) -> None:
    study = MadeUpStudy(tmp_path, 30)
    page = study_page(open_page, serve(start, tmp_path))
    wait_for_plot(page)
    set_bound(page, "accuracy at least", 1)
    page.locator("#pairs .plot").first.scroll_into_view_if_needed()
    zoomed = drag_zoom(page)
    page.locator("#grid").evaluate("e => { e.scrollTop = 40 }")
    page.evaluate("scrollTo(0, 300)")
    before = study.count
    added = study.add(25)
    until(page, f"document.querySelector('#grid').ariaRowCount === '{before + 26}'")
    until(page, f"paretune.study.complete.at(-1).number === {added[-1]}")
    until(
        page,
        f"[1,2,3,4,5,6].some(i => document.querySelector('#pairs .plot').data[i].customdata"
        f".includes({added[-1]}))",
    )
    shown = "document.querySelector('#pairs .plot')._fullLayout.yaxis.range"
    assert page.evaluate(shown) == zoomed
    assert page.get_by_label("accuracy at least, as a number").input_value() == "1"
    assert page.locator("#grid").evaluate("e => e.scrollTop") == 40
    assert page.evaluate("scrollY") == 300


def test_lost_connection_is_told_and_nothing_is_missed(
    tmp_path: Path, start: Any, open_page: Open
) -> None:
    study = MadeUpStudy(tmp_path)
    server = start("serve", tmp_path, "--port", 0)
    server.wait_for("serving at ")
    address = served_address(server.log)
    page = study_page(open_page, address)
    server.ended(signal.SIGINT)
    page.locator("#connection", has_text="is lost").wait_for()
    added = study.add(3)
    port = address.rsplit(":", 1)[1].strip("/")
    start("serve", tmp_path, "--port", port).wait_for(f":{port}/")
    until(page, f"paretune.study.rows.at(-1).number === {added[-1]}")
    until(page, "document.querySelector('#connection').textContent === ''")
    page.problems.clear()  # the browser itself reports the refused connections


def test_pause_go_on_and_stop_a_run(finished: Path, start: Any, open_page: Open) -> None:
    address = serve(start, finished.parent)
    run = start("run", finished, "--trials", 2000, "--set", "search.sampler=random")
    run.wait_for("trial   8")
    page = study_page(open_page, address)
    chip = page.locator("#controls .chip")
    page.locator("#controls .chip", has_text="running").wait_for()
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Go on").wait_for()
    page.locator("#controls .chip", has_text="paused").wait_for()
    page.get_by_role("button", name="Go on").click()
    page.locator("#controls .chip", has_text="running").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.locator("#dialog button", has_text="Stop").click()
    page.locator("#controls .chip", has_text="not running").wait_for()
    assert chip.inner_text() == "not running"
    run.ended()


def test_bounds_become_constraints_of_the_next_version(
    finished: Path, own_address: str, open_page: Open
) -> None:
    page = study_page(open_page, own_address)
    set_bound(page, "accuracy at least", 12.5)
    page.get_by_text("Make these the constraints").click()
    dialog = page.locator("#dialog")
    assert "accuracy >= 12.5%" in dialog.inner_text()
    assert "paretune run" in dialog.inner_text()
    dialog.get_by_text("Change the constraints").click()
    page.locator("#goals", has_text="constraint accuracy >= 12.5%").wait_for(timeout=120_000)
    page.locator("#controls .chip", has_text="not running").wait_for(timeout=120_000)
    assert record_of(finished).source["constraints"] == ["accuracy >= 12.5%"]


def test_trial_is_exported_downloaded_and_verified(
    tmp_path: Path, own_address: str, open_page: Open
) -> None:
    page = study_page(open_page, own_address)
    page.locator("#front .pick button").nth(1).click()
    page.locator("#panel").get_by_role("button", name="Export this").click()
    link = page.locator("#panel .zip")
    link.wait_for(timeout=240_000)
    assert page.locator("#panel .lines .yes").count() > 3
    assert page.locator("#panel .lines .no").count() == 0
    with page.expect_download() as download:
        link.click()
    file = tmp_path / "downloaded.zip"
    download.value.save_as(file)
    zipfile.ZipFile(file).extractall(tmp_path / "unpacked")
    [folder] = (tmp_path / "unpacked").iterdir()
    command = [sys.executable, "-m", "paretune", "verify", str(folder)]
    verified = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert f"paretune verify {folder.name}" in page.locator("#panel").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_400_pixels(address: str, open_page: Open, scheme: str) -> None:
    window = {"viewport": {"width": 400, "height": 800}, "color_scheme": scheme}
    page = open_page(address, **window)
    page.locator("#studies a").first.wait_for()
    assert not scrolls_sideways(page)
    page = study_page(open_page, address, **window)
    wait_for_plot(page)
    assert not scrolls_sideways(page)
    page.locator("#front .pick button").first.click()
    page.locator("#panel .sentence").wait_for()
    assert not scrolls_sideways(page)
    panel = page.locator("#panel").evaluate("e => e.scrollWidth <= e.clientWidth")
    assert panel
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, colour[4:-1].split(","))) < 200) == (scheme == "dark")


def test_texts_of_a_study_are_never_markup(finished: Path, start: Any, open_page: Open) -> None:
    evil = "<img src=x onerror=\"document.title='HARM'\"><script>document.title='HARM'</script>"
    with closing(sqlite3.connect(database_of(finished))) as database, database:
        database.execute("UPDATE paretune_study SET name = ?", (evil,))
        database.execute(
            "UPDATE paretune_trials SET plan = replace(plan, 'simple_cnn', ?) WHERE number > 0",
            (evil.replace('"', '\\"'),),
        )
        database.execute(
            "UPDATE paretune_trials SET state = 'failed', \"values\" = NULL, reason = json(?) "
            "WHERE number = (SELECT max(number) FROM paretune_trials)",
            ('{"stage": "prune", "type": "E", "text": "<b onclick=1>bold</b><script>1</script>"}',),
        )
    page = study_page(open_page, serve(start, finished.parent))
    wait_for_plot(page)
    assert page.locator("h1").inner_text() == evil
    page.locator("#grid").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator("#panel .sentence").wait_for()
    page.locator("#pairs .plot").first.locator("path.point").first.hover(force=True)
    page.wait_for_timeout(500)
    assert "HARM" not in page.title() or page.title().startswith("<img")
    assert (
        page.evaluate("document.querySelectorAll('main img, #panel img, b[onclick]').length") == 0
    )


def test_ten_thousand_trials_open_and_scroll(tmp_path: Path, start: Any, open_page: Open) -> None:
    last = MadeUpStudy(tmp_path, 10_000).count - 1
    page = study_page(open_page, serve(start, tmp_path))
    assert page.locator("#grid").get_attribute("aria-rowcount") == str(last + 2)
    assert page.locator("#grid .row").count() < 60
    page.locator("#grid").focus()
    page.keyboard.press("End")
    page.locator(f"#trial-{last}").wait_for()
    page.get_by_role("button", name="accuracy", exact=True).click()
    wait_for_plot(page)
    assert page.locator("#pairs .plot").first.locator("path.point").count() < 3000


def test_empty_study_says_what_will_be_seen(finished: Path, start: Any, open_page: Open) -> None:
    with closing(sqlite3.connect(database_of(finished))) as database, database:
        for table in ("trials", "measurements", "examples", "front"):
            database.execute(f"DELETE FROM paretune_{table}")
    page = open_page(serve(start, finished.parent))
    page.locator("#studies a").first.click()
    page.locator("#answer", has_text="No trial is complete yet.").wait_for()
    assert page.locator("#grid .row").count() == 0


def test_unknown_study_is_told_in_words(address: str, open_page: Open) -> None:
    page = open_page(f"{address}s/nothing")
    page.get_by_text("there is no such study").first.wait_for()
    page.problems.clear()  # the browser itself reports the 404


def test_figures_have_the_texts_of_the_command_line(address: str, open_page: Open) -> None:
    values = [0.0, 1e-5, 0.00123, 0.09996, 0.1, 0.75, 0.99995, 1.0, 3.14159, 9.999, 12.345, 99.95]
    values += [123.456, 999.49, 999.6, 12345.6, 999_499.0, 1e6, 1.5e9, 2.5e12]
    units = ["fraction", "ms", "bytes", "J", "parameters", "MACs", "nats", ""]
    cases = [[v, u] for u in units for v in values if u != "fraction" or v <= 1]
    page = open_page(address)
    shown = page.evaluate(
        "async (cases) => { const { formatValue } = await import('/static/format.js');"
        " return cases.map(([value, unit]) => formatValue(value, unit)); }",
        cases,
    )
    assert dict(zip(map(str, cases), shown, strict=True)) == {
        str([v, u]): format_value(v, u) for v, u in cases
    }


def test_typed_bound_is_the_value_that_the_unit_shows(address: str, open_page: Open) -> None:
    """2.01 / 0.001 is 2009.9999999999998, a bound that would leave out a file of 2010 bytes."""
    page = open_page(address)
    wrong = page.evaluate(
        "async () => { const { valueOf } = await import('/static/scales.js'); const wrong = [];"
        " for (const unit of [1, 1e3, 1e6, 1e9]) for (let bytes = 1; bytes < 20000; bytes += 1)"
        " if (valueOf(bytes / unit, { factor: 1 / unit }) !== bytes) wrong.push([bytes, unit]);"
        " return wrong; }"
    )
    assert wrong == []
