"""The report of any study: a page that needs no network, also drawn by a real browser."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paretune.search.study.records import StudyRecord
from paretune.search.study.units import format_chance
from paretune.search.views.front_table import front_info, shown_chances
from paretune.search.views.front_text import notes_of
from paretune.search.views.report import report_html, write_report
from support.measurements import latency, paired_accuracy

MakeRecord = Callable[..., StudyRecord]
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")


def embedded(page: str) -> dict[str, Any]:
    """Returns the data that the page's script reads."""
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert match is not None
    return json.loads(match[1])  # type: ignore[no-any-return]


def outside_scripts(page: str) -> str:
    return re.sub(r"<script.*?</script>", "", page, flags=re.S)


@pytest.mark.parametrize("trials", [0, 1, 40])
@pytest.mark.parametrize("objectives", [1, 2, 3, 5])
def test_report_has_the_plots_of_its_objectives_and_trials(
    make_record: MakeRecord, trials: int, objectives: int
) -> None:
    page = report_html(make_record(trials, objectives))
    figures = embedded(page)["figures"]
    pairs = [name for name in figures if name.startswith("pair-")]
    assert len(pairs) == max(1, objectives * (objectives - 1) // 2)
    assert ("space" in figures) == (objectives >= 3)
    assert ("lines" in figures) == (trials >= 2)
    assert "hypervolume" in figures
    for name in figures:
        assert f'id="{name}"' in page


def test_report_without_trials_has_no_figures(make_record: MakeRecord) -> None:
    page = report_html(replace(make_record(0), trials=(), growth=()))
    assert embedded(page)["figures"] == {}
    assert "No trial is complete yet." in page


def test_report_of_trials_without_values_lists_their_states(make_record: MakeRecord) -> None:
    record = make_record(40)
    trials = [t for t in record.trials if t.state != "complete"]
    page = report_html(replace(record, trials=tuple(trials), growth=()))
    assert {t["state"] for t in embedded(page)["trials"]} == {"infeasible", "failed"}


def test_report_escapes_the_name_of_a_study(make_record: MakeRecord) -> None:
    name = '<img src=x onerror=alert(1)> & "co"'
    page = report_html(make_record(40, name=name))
    assert name not in page
    assert html.escape(name, quote=False).replace('"', "&#34;") in page
    assert "</script><script>alert" not in page  # from the reason of a failed trial
    assert "a &lt;fast&gt; one" in page


def test_report_refers_to_no_other_host(make_record: MakeRecord) -> None:
    page = outside_scripts(report_html(make_record(20)))
    assert not re.search(r"(src|href)\s*=", page)
    assert "http" not in page


def test_report_of_thousands_of_trials_stays_below_15_megabytes(
    make_record: MakeRecord, tmp_path: Path
) -> None:
    write_report(make_record(5000, 5), tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < 15e6


def test_report_shows_the_probability_of_each_trial(make_record: MakeRecord) -> None:
    record = make_record(80)
    chances = shown_chances(record)
    page = report_html(record)
    shown = {t["n"]: (t["chance"], t["odds"]) for t in embedded(page)["trials"]}
    assert shown == {
        t.number: (format_chance(p), None if p is None else round(p, 3))
        for t, p in ((t, chances.get(t.number)) for t in record.trials)
    }
    assert "<th>P(front)</th>" in page
    for line in notes_of(front_info(record)):
        assert html.escape(line) in page


def evaluated(page: Path, script: str) -> Any:
    """Returns the result of a script on the page in a headless browser without a network."""
    page.write_text(
        page.read_text().replace(
            "</body>",
            "<script>addEventListener('error', e => { document.title = 'ERROR ' + e.message; });"
            "setTimeout(() => { const r = document.createElement('pre'); r.id = 'result';"
            f"r.textContent = JSON.stringify((() => {{ {script} }})());"
            "document.body.append(r); }, 4000);</script></body>",
        )
    )
    assert BROWSER is not None
    process = subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--use-angle=swiftshader",
            "--enable-unsafe-swiftshader",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--allow-file-access-from-files",
            "--window-size=1400,12000",
            "--virtual-time-budget=20000",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=200,
    )
    match = re.search(r'<pre id="result">(.*?)</pre>', process.stdout, re.S)
    assert match is not None, process.stderr[-2000:]
    return json.loads(html.unescape(match[1]))


@pytest.mark.slow
@needs_browser
def test_browser_draws_every_plot_and_sorts_and_filters(
    make_record: MakeRecord, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    write_report(make_record(60), page)
    result = evaluated(
        page,
        """
        const every = (selector) => [...document.querySelectorAll(selector)];
        const rows = () => every('#trials tbody tr').map(r => r.cells[0].textContent);
        const plots = every('.plot').map(p => [p.id, !!p.querySelector('.main-svg')]);
        const all = rows().length;
        const heads = every('#trials th');
        heads.find(h => h.textContent === 'latency').click();
        const byLatency = rows().slice(0, 5);
        const filter = document.getElementById('filter');
        filter.value = 'failed'; filter.dispatchEvent(new Event('input'));
        const failed = rows();
        document.querySelector('#trials tbody tr').click();
        const opened = document.querySelector('#trials .params') !== null;
        const wide = document.documentElement.scrollWidth <= innerWidth;
        return { plots, all, byLatency, failed, opened, wide, title: document.title };
        """,
    )
    record = make_record(60)
    assert all(drawn for _, drawn in result["plots"]), result["plots"]
    assert len(result["plots"]) == 6
    assert result["all"] == 61
    fastest = sorted(
        (t for t in record.trials if t.values), key=lambda t: (t.values["latency"], t.number)
    )
    assert result["byLatency"] == [str(t.number) for t in fastest[:5]]
    assert result["failed"] == [str(t.number) for t in record.trials if t.state == "failed"]
    assert result["opened"]
    assert result["wide"], "the page scrolls sideways"
    assert result["title"] == "made-up - Paretune"


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize(("width", "objectives"), [(400, 5), (500, 3)])
def test_narrow_screen_cuts_nothing_off(
    make_record: MakeRecord, tmp_path: Path, width: int, objectives: int
) -> None:
    record = make_record(60, objectives)
    write_report(record, tmp_path / "report.html")
    page = tmp_path / "frame.html"  # a window of Chromium is never narrower than 500 pixels
    frame = f"<iframe src='report.html' style='width:{width}px;height:12000px;border:0'></iframe>"
    page.write_text(f"<html><body style='margin:0'>{frame}</body></html>")
    result = evaluated(
        page,
        """
        const view = document.querySelector('iframe').contentWindow;
        const every = (selector) => [...view.document.querySelectorAll(selector)];
        const hidden = (e) => e.scrollWidth > e.clientWidth + 1;
        const wide = every('.scroll, table, .plot, section').filter(hidden)
            .map(e => e.id || e.className || e.tagName);
        const plots = every('.plot').map(p => [p.id, !!p.querySelector('.main-svg')]);
        const order = view.document.getElementById('order');
        order.value = '2 descending'; order.dispatchEvent(new Event('input'));
        const first = every('#trials tbody tr')[0].cells[2].textContent;
        return { wide, plots, first, page: view.document.documentElement.scrollWidth };
        """,
    )
    assert result["wide"] == []
    assert result["page"] <= width
    assert all(drawn for _, drawn in result["plots"]), result["plots"]
    best = max(t.values["accuracy"] for t in record.trials if t.values)
    assert result["first"].startswith(f"{100 * best:.2f}")


def test_large_print_has_no_figure_for_a_difference_within_noise(make_record: MakeRecord) -> None:
    record = make_record(1)
    right = np.arange(1000) >= 50
    measured = {**record.trials[0].measurements, "latency": latency(2.0, 3)}
    faster = {**measured, "latency": latency(1.98, 3)}
    lost = {"accuracy": paired_accuracy(right & (np.arange(1000) != 999))}
    base = replace(
        record.trials[0], measurements=measured, test={"accuracy": paired_accuracy(right)}
    )
    trial = replace(
        base, number=1, measurements=faster, values={**base.values, "latency": 1.98}, test=lost
    )
    growth = (replace(record.growth[-1], members=(1,)),)
    page = report_html(replace(record, trials=(base, trial), growth=growth))
    tiles = re.findall(r'class="tile"><b>(.*?)</b><span>(.*?)</span>', page)
    assert tiles == [
        ("same accuracy", "within ±0.6 points on test"),
        ("as fast", "within ±5.4 %"),
        ("same size", "no difference"),
    ]
    assert "-0.1 points" not in page


def test_large_print_has_the_figure_of_a_real_difference(make_record: MakeRecord) -> None:
    record = make_record(1)
    right = np.arange(1000) >= 50
    base = replace(record.trials[0], test={"accuracy": paired_accuracy(right)})
    trial = replace(
        base,
        number=1,
        measurements={**base.measurements, "latency": latency(4.0, 3)},
        values={**base.values, "latency": 4.0},
        test={"accuracy": paired_accuracy(right & (np.arange(1000) < 980))},
    )
    growth = (replace(record.growth[-1], members=(1,)),)
    page = report_html(replace(record, trials=(base, trial), growth=growth))
    tiles = re.findall(r'class="tile"><b>(.*?)</b><span>(.*?)</span>', page)
    assert tiles[:2] == [("-2.0 points", "accuracy on test"), ("2.0x", "slower")]


def test_report_tells_the_rounds_in_order_and_escapes_them(make_record: MakeRecord) -> None:
    rounds = (
        {"number": 0, "sentences": ["The baseline takes 2 ms.", "Round 1 tries <b>formats</b>."]},
        {
            "number": 1,
            "sentences": ["Trial 3 is fastest.", "Then more."],
            "changes": ["lr: 1 -> 2"],
        },
        {"number": 2, "sentences": []},  # it runs now
    )
    page = outside_scripts(report_html(replace(make_record(6), rounds=rounds)))
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "Rounds The baseline. The baseline takes 2 ms. Round 1 tries &lt;b&gt;formats" in text
    assert "Round 1. Trial 3 is fastest. Then more. lr: 1 -&gt; 2" in text
    assert "Round 2" not in text
    assert "Rounds" not in outside_scripts(report_html(make_record(6)))
