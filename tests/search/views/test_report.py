"""The report: any study gives a page that needs no network; looked at in a real browser."""

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

import pytest

from paretune.search.front.final_front import NEAR
from paretune.search.study.records import StudyRecord
from paretune.search.study.units import format_chance
from paretune.search.views.front import front_info, shown_chances
from paretune.search.views.front_text import notes_of
from paretune.search.views.plots import FAINT, groups_of, pair_figures, space_figure
from paretune.search.views.report import report_html, write_report
from paretune.search.views.scales import scale_of

MakeRecord = Callable[..., StudyRecord]
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")


def embedded(page: str) -> dict[str, Any]:
    """The data that the page's script reads."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found is not None
    return json.loads(found[1])  # type: ignore[no-any-return]


def outside_scripts(page: str) -> str:
    return re.sub(r"<script.*?</script>", "", page, flags=re.S)


@pytest.mark.parametrize("trials", [0, 1, 40])
@pytest.mark.parametrize("objectives", [1, 2, 3, 5])
def test_report_of_any_study_has_its_plots(
    make_record: MakeRecord, trials: int, objectives: int
) -> None:
    page = report_html(make_record(trials, objectives))
    figures = embedded(page)["figures"]
    pairs = [name for name in figures if name.startswith("pair-")]
    assert len(pairs) == max(1, objectives * (objectives - 1) // 2)
    assert ("space" in figures) == (objectives >= 3)
    assert ("lines" in figures) == (trials >= 2)
    assert "growth" in figures
    for name in figures:
        assert f'id="{name}"' in page


def test_report_without_any_trial_says_so(make_record: MakeRecord) -> None:
    page = report_html(replace(make_record(0), trials=(), growth=()))
    assert embedded(page)["figures"] == {}
    assert "No trial is done yet." in page


def test_report_of_only_infeasible_trials_is_made(make_record: MakeRecord) -> None:
    record = make_record(40)
    trials = [t for t in record.trials if t.state != "complete"]
    page = report_html(replace(record, trials=tuple(trials), growth=()))
    assert {t["state"] for t in embedded(page)["trials"]} == {"infeasible", "failed"}


def test_report_escapes_what_a_study_is_called(make_record: MakeRecord) -> None:
    name = '<img src=x onerror=alert(1)> & "co"'
    page = report_html(make_record(40, name=name))
    assert name not in page
    assert html.escape(name, quote=False).replace('"', "&#34;") in page
    assert "</script><script>alert" not in page  # from the reason of a failed trial
    assert "a &lt;fast&gt; one" in page


def test_report_names_no_other_host(make_record: MakeRecord) -> None:
    page = outside_scripts(report_html(make_record(20)))
    assert not re.search(r"(src|href)\s*=", page)
    assert "http" not in page


def test_report_of_thousands_of_trials_stays_below_15_megabytes(
    make_record: MakeRecord, tmp_path: Path
) -> None:
    write_report(make_record(5000, 5), tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < 15e6


def test_each_trial_is_in_one_group(make_record: MakeRecord) -> None:
    record = make_record(100)
    groups = groups_of(record)
    numbers = sorted(t.number for t in groups.all)
    assert numbers == [t.number for t in record.trials if t.state == "complete"]


def test_line_of_a_pair_is_the_front_of_these_two(make_record: MakeRecord) -> None:
    record = make_record(80)
    _, figure = pair_figures(record)[0]
    line = figure.data[0]
    assert list(line.x) == sorted(line.x)
    assert list(line.y) == sorted(line.y)  # more accuracy costs more milliseconds
    points = [(t.values["latency"], 100 * t.values["accuracy"]) for t in groups_of(record).feasible]
    for x, y in zip(line.x, line.y, strict=True):
        assert not any(a <= x and b >= y and (a, b) != (x, y) for a, b in points)


def test_points_of_the_front_are_as_faint_as_they_are_improbable(make_record: MakeRecord) -> None:
    record = make_record(80)
    chances = shown_chances(record)
    _, figure = pair_figures(record, chances)[0]
    traces = {trace.name: trace for trace in figure.data}
    front = traces["front"]
    shown = dict(zip(front.customdata, front.marker.opacity, strict=True))
    assert shown == {n: FAINT + (1 - FAINT) * chances[n] for n in record.members - {0}}
    near = {n for n, p in chances.items() if p >= NEAR} - record.members - {0}
    assert near and set(traces["near"].customdata) == near
    for name in ("near", "front", "baseline"):
        assert len(traces[name].error_x.array) == len(traces[name].error_y.array) > 0
    assert traces["dominated"].error_x.array is None


def test_page_says_how_probable_each_trial_is(make_record: MakeRecord) -> None:
    record = make_record(80)
    chances = shown_chances(record)
    page = report_html(record)
    said = {t["n"]: (t["chance"], t["odds"]) for t in embedded(page)["trials"]}
    assert said == {
        t.number: (format_chance(p), None if p is None else round(p, 3))
        for t, p in ((t, chances.get(t.number)) for t in record.trials)
    }
    assert "<th>P(front)</th>" in page
    for line in notes_of(front_info(record)):
        assert html.escape(line) in page


def test_costs_over_a_wide_range_get_a_logarithmic_axis(make_record: MakeRecord) -> None:
    record = make_record(100)
    trials = groups_of(record).all
    latency = scale_of(record.axes[1], trials)
    accuracy = scale_of(record.axes[0], trials)
    assert latency.log and not accuracy.log
    assert set(latency.ticks) <= {m * 10.0**e for e in range(-3, 3) for m in (1, 2, 5)}
    assert accuracy.unit == "%"


def test_collapsed_trial_does_not_squeeze_the_others(make_record: MakeRecord) -> None:
    record = make_record(60)
    assert pair_figures(record)[0][1].layout.yaxis.range is None
    worst = next(t for t in record.trials if t.state == "complete" and not t.feasible)
    collapsed = replace(worst, values={**worst.values, "accuracy": 0.1})
    trials = tuple(collapsed if t is worst else t for t in record.trials)
    squeezed = replace(record, trials=trials)
    low, high = pair_figures(squeezed)[0][1].layout.yaxis.range
    assert space_figure(record).layout.scene.zaxis.range is None
    assert space_figure(squeezed).layout.scene.zaxis.range == (low, high)
    feasible = [100 * t.values["accuracy"] for t in groups_of(record).feasible]
    assert 80 < low < min(feasible)
    assert max(feasible) < high < 100


def looked_at(page: Path, script: str) -> Any:
    """What a script says of the page in a headless browser without a network."""
    page.write_text(
        page.read_text().replace(
            "</body>",
            "<script>addEventListener('error', e => { document.title = 'ERROR ' + e.message; });"
            "setTimeout(() => { const r = document.createElement('pre'); r.id = 'said';"
            f"r.textContent = JSON.stringify((() => {{ {script} }})());"
            "document.body.append(r); }, 4000);</script></body>",
        )
    )
    assert BROWSER is not None
    done = subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--use-angle=swiftshader",
            "--enable-unsafe-swiftshader",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--window-size=1400,9000",
            "--virtual-time-budget=20000",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=200,
    )
    said = re.search(r'<pre id="said">(.*?)</pre>', done.stdout, re.S)
    assert said is not None, done.stderr[-2000:]
    return json.loads(html.unescape(said[1]))


@needs_browser
def test_browser_draws_every_plot_and_sorts_and_filters(
    make_record: MakeRecord, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    write_report(make_record(60), page)
    said = looked_at(
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
    assert all(drawn for _, drawn in said["plots"]), said["plots"]
    assert len(said["plots"]) == 6
    assert said["all"] == 61
    fastest = sorted(
        (t for t in record.trials if t.values), key=lambda t: (t.values["latency"], t.number)
    )
    assert said["byLatency"] == [str(t.number) for t in fastest[:5]]
    assert said["failed"] == [str(t.number) for t in record.trials if t.state == "failed"]
    assert said["opened"]
    assert said["wide"], "the page scrolls sideways"
    assert said["title"] == "made-up - Paretune"
