"""The live page in a browser: time until ten thousand trials are shown, and until a slider acts.

The peer is the report of the same study, opened in the same browser in turn. Times are those of a
new page until its table of trials is there. The server has answered another page before.
Target: the page opens in two seconds, and no later than the report.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from paretune.search.interface.reading import read_record
from paretune.search.views.report import write_report
from support.browser import BROWSER, set_bound, until, wait_for_plot
from support.made_up_study import MadeUpStudy


def seconds_to_open(browser: Browser, address: str, row: str) -> tuple[float, Any]:
    """Returns the time until a page has a row of its table, and the page."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    begun = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.wait_for_selector(row, timeout=300_000)
    return time.perf_counter() - begun, page


def seconds_to_slide(page: Any) -> float:
    """Returns the time until a bound has greyed out points of the first plot."""
    wait_for_plot(page)
    begun = time.perf_counter()
    set_bound(page, "size at most", 1)
    until(page, "document.querySelector('#pairs .plot').data[1].x.length > 0", 300)
    return time.perf_counter() - begun


def measure(browser: Browser, address: str, report: Path, repeats: int) -> None:
    """Prints the times and their ratio."""
    opened, slid, peer = [], [], []
    for repeat in range(repeats + 1):
        seconds, page = seconds_to_open(browser, address, "#grid .row")
        sliding = seconds_to_slide(page)
        page.close()
        other, page = seconds_to_open(browser, report.as_uri(), "#trials tbody tr")
        page.close()
        if repeat:  # the first page waits until the server has read the study
            opened.append(seconds)
            slid.append(sliding)
            peer.append(other)
    ratio = statistics.median(a / b for a, b in zip(opened, peer, strict=True))
    print(f"  live page, until the table is there {statistics.median(opened):7.2f} s (target: 2)")
    print(f"  report, until the table is there    {statistics.median(peer):7.2f} s")
    print(f"  RATIO live page / report: {ratio:.2f} (target: 1)")
    print(f"  a bound, until points are grey      {statistics.median(slid):7.2f} s")


def main() -> None:
    """Serves a made-up study, and opens its pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    if BROWSER is None:
        sys.exit("there is no Chromium on this machine")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        study = MadeUpStudy(Path(folder), options.trials)
        report = Path(folder) / "report.html"
        write_report(read_record(study.url), report)
        command = [sys.executable, "-u", "-m", "paretune", "serve", str(study.file), "--port", "0"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            found = re.search(r"http://\S+", server.stdout.readline())
            assert found is not None
            browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
            print(f"opening, {options.trials} trials")
            measure(browser, f"{found[0]}s/made-up", report, options.repeats)
            browser.close()
        finally:
            server.terminate()
            server.wait()
            study.close()


if __name__ == "__main__":
    main()
