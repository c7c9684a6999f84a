"""A study as an object: run, look, pick, in one process and in threads."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import paretune
from paretune.search.interruption import interrupted
from paretune.search.trial.events import Event, RunEnded, RunStarted, TrialEnded

SPACE = {"width": {"float": [0.1, 1.0]}, "depth": {"int": [1, 50]}}
OBJECTIVES = {"error": {"minimize": "fraction"}, "latency": {"minimize": "ms", "worst": 60}}


def evaluate(plan: Mapping[str, Any], report: Any) -> dict[str, float]:
    """A trainer that takes no time."""
    return {"error": 1 - 0.9 * plan["width"], "latency": plan["width"] * plan["depth"]}


def quick(folder: Path, trials: int = 5, **options: Any) -> paretune.Study:
    """Returns a study whose trials take no time."""
    values: dict[str, Any] = {
        "evaluate": evaluate,
        "space": SPACE,
        "objectives": OBJECTIVES,
        "search": {"sampler": "random", "trials": trials},
    }
    return paretune.Study(**{**values, **options}, folder=folder)


@pytest.fixture(scope="module")
def _ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ran") / "quick"
    quick(folder).run(progress=False)
    (folder / "report.html").unlink()
    return folder


@pytest.fixture
def ran(_ran: Path, tmp_path: Path) -> paretune.Study:
    """Returns a study after its run; a copy that a test may change."""
    shutil.copytree(_ran, tmp_path / "quick")
    return quick(tmp_path / "quick")


# -- run -----------------------------------------------------------------------------------------


def test_run_ends_with_a_report_and_prints_nothing_without_progress(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    end = quick(tmp_path / "quick").run(progress=False)
    assert end.ok
    assert end.report.is_file()
    assert str(end) == f"all 5 trials are done; report: {end.report}"
    assert len(repr(end)) < 400
    assert capfd.readouterr() == ("", "")


def test_run_prints_its_progress_as_lines_without_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quick(tmp_path / "quick").run()
    printed = capsys.readouterr().out
    assert "trial   5 [5/5]" in printed
    assert printed.rstrip().endswith("all 5 trials are done")


def test_more_trials_continue_the_study(ran: paretune.Study) -> None:
    before = [dict(trial.values) for trial in ran.trials]
    ran.run(trials=8, progress=False)
    assert [dict(trial.values) for trial in ran.trials][:5] == before
    assert len(ran.trials) == 8


def test_reporters_receive_the_events_of_the_run(tmp_path: Path) -> None:
    events: list[Event] = []
    quick(tmp_path / "quick").run(progress=False, reporters=[events.append])
    assert isinstance(events[0], RunStarted)
    assert isinstance(events[-1], RunEnded)
    assert sum(isinstance(event, TrialEnded) for event in events) == 5


def test_interrupted_run_keeps_its_trials_and_continues(tmp_path: Path) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, TrialEnded) and event.trial == 3:
            signal.raise_signal(signal.SIGINT)  # Ctrl-C, or the stop button of a notebook

    study = quick(tmp_path / "quick")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            study.run(progress=False, reporters=[stop])
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert not interrupted()
    assert [trial.state for trial in study.trials][:3] == ["complete"] * 3
    assert study.run(progress=False).ok
    assert len(study.trials) == 5


def test_studies_run_in_threads_at_the_same_time(tmp_path: Path) -> None:
    studies = [quick(tmp_path / name) for name in ("a", "b")]
    threads = [threading.Thread(target=s.run, kwargs={"progress": False}) for s in studies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [len(study.trials) for study in studies] == [5, 5]


@pytest.mark.slow
def test_run_in_a_thread_is_stopped_from_another(tmp_path: Path) -> None:
    begun = threading.Event()

    def note(event: Event) -> None:
        if isinstance(event, TrialEnded):
            begun.set()

    study = quick(tmp_path / "quick", trials=100_000)
    ends: list[Any] = []
    thread = threading.Thread(
        target=lambda: ends.append(study.run(progress=False, reporters=[note]))
    )
    thread.start()
    assert begun.wait(60)
    assert "worker" in study.stop()
    thread.join(60)
    assert not thread.is_alive()
    assert ends[0].ending.stopped


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"trials": 0}, "trials: give 1 or more, not 0"),
        ({"trials": 2.5}, "trials: give a whole number, not 2.5"),
        ({"workers": 0}, "workers: give 1 or more, not 0"),
        ({"time": "soon"}, "soon"),
    ],
)
def test_wrong_options_of_a_run_are_refused(
    tmp_path: Path, options: dict[str, Any], text: str
) -> None:
    with pytest.raises(paretune.UserError) as error:
        quick(tmp_path / "quick").run(**options)
    assert text in str(error.value)


def test_workers_are_refused_for_an_object_of_this_process(tmp_path: Path) -> None:
    def local(plan: Mapping[str, Any], report: Any) -> dict[str, float]:
        return evaluate(plan, report)

    study = quick(tmp_path / "quick", evaluate=local)
    with pytest.raises(paretune.UserError, match=r"workers=2: local exists in this process only"):
        study.run(workers=2)
    assert not study.folder.exists()


def test_local_function_runs_and_is_continued_by_an_equal_one(tmp_path: Path) -> None:
    def make() -> Any:
        def local(plan: Mapping[str, Any], report: Any) -> dict[str, float]:
            return evaluate(plan, report)

        return local

    quick(tmp_path / "quick", evaluate=make()).run(progress=False)
    again = quick(tmp_path / "quick", evaluate=make())
    again.run(trials=7, progress=False)
    assert len(again.trials) == 7
    assert len(paretune.Study(tmp_path / "quick").trials) == 7


def test_study_of_this_process_opened_by_its_folder_says_what_is_missing(tmp_path: Path) -> None:
    def local(plan: Mapping[str, Any], report: Any) -> dict[str, float]:
        return evaluate(plan, report)

    quick(tmp_path / "quick", evaluate=local).run(progress=False)
    with pytest.raises(paretune.UserError, match=r"local was defined in a notebook or script"):
        paretune.Study(tmp_path / "quick").run(trials=7, progress=False)


FACTOR = """\
def evaluate(plan, report):
    return {{"error": {factor} * plan["width"], "latency": 1.0 * plan["depth"]}}
"""


def test_studies_of_two_folders_keep_their_own_modules(tmp_path: Path) -> None:
    studies = []
    for name, factor in (("a", 0.25), ("b", 0.5)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "trainer_of_two.py").write_text(FACTOR.format(factor=factor))
        (folder / "s.yaml").write_text(
            'evaluate: "trainer_of_two:evaluate"\n'
            f"space: {json.dumps(SPACE)}\nobjectives: {json.dumps(OBJECTIVES)}\n"
            "search: {sampler: random, trials: 2}\n"
        )
        studies.append(paretune.Study(folder / "s.yaml"))
    for trials in (2, 4):
        for study in studies:
            study.run(trials=trials, progress=False)
    for study, factor in zip(studies, (0.25, 0.5), strict=True):
        assert len(study.trials) == 4
        for trial in study.trials:
            assert trial.values["error"] == pytest.approx(factor * trial.plan[0]["params"]["width"])


# -- look ----------------------------------------------------------------------------------------


def test_front_is_that_of_the_command_line(ran: paretune.Study, cli: Any) -> None:
    result = cli("front", ran.folder)
    assert result.code == 0
    assert ran.front.text(width=120).split() == result.out.split()
    shown = json.loads(cli("front", ran.folder, "--json").out)
    assert [row.trial for row in ran.front] == [row["trial"] for row in shown["rows"]]


def test_front_within_is_that_of_the_command_line(ran: paretune.Study, cli: Any) -> None:
    bound = "latency <= 10 ms"
    result = cli("front", ran.folder, "--within", bound)
    front = ran.front_within(bound)
    assert sorted(front.text(width=120).split()) == sorted(result.out.split())
    with pytest.raises(paretune.UserError, match="width"):
        ran.front_within("width <= 3")


def test_front_has_rows_table_and_plot(ran: paretune.Study) -> None:
    front = ran.front
    html = front._repr_html_()
    assert len(front) == len(front.to_dicts()) == html.count("<tr>") - 1
    assert html.count("<circle") == len(front)
    assert "http://www.w3.org/2000/svg" in html
    assert html.replace("http://www.w3.org/2000/svg", "").count("http") == 0
    frame = front.to_pandas()
    assert list(frame.index) == [row.trial for row in front]
    assert frame.attrs["units"] == {"error": "fraction", "latency": "ms"}


def test_trials_are_indexed_by_their_number(ran: paretune.Study) -> None:
    trials = ran.trials
    assert [trial.number for trial in trials] == [1, 2, 3, 4, 5]
    assert trials[3].number == 3
    assert trials[-1].number == 5
    assert [trial.number for trial in trials[1:3]] == [2, 3]
    for number in (0, 9):
        with pytest.raises(paretune.UserError, match=f"trial {number}: there is no such trial"):
            trials[number]
    with pytest.raises(IndexError):
        trials[-9]


def test_trials_become_a_data_frame(ran: paretune.Study) -> None:
    frame = ran.trials.to_pandas()
    assert list(frame.index) == [1, 2, 3, 4, 5]
    assert set(frame["state"]) == {"complete"}
    for number, row in frame.iterrows():
        values = ran.trials[number].values
        assert (row["error"], row["latency"]) == (values["error"], values["latency"])
        assert row["params.width"] == ran.trials[number].params["width"]
    assert frame.attrs["units"]["latency"] == "ms"
    assert len(ran.trials.to_dicts()) == 5
    assert "trial" in ran.trials._repr_html_()


def test_data_frame_without_pandas_says_what_to_install(
    ran: paretune.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    for table in (ran.trials, ran.front):
        with pytest.raises(paretune.UserError, match=r"pip install 'paretune\[pandas\]'"):
            table.to_pandas()


def test_status_and_rounds_are_read(ran: paretune.Study) -> None:
    assert "5 of 5 trials done" in str(ran.status())
    assert ran.status().to_json()["done"] == 5
    assert ran.rounds == []


def test_comparison_is_that_of_the_command_line(
    ran: paretune.Study, tmp_path: Path, cli: Any
) -> None:
    other = tmp_path / "other"
    shutil.copytree(ran.folder, other)
    comparison = paretune.compare(ran, other, output=tmp_path / "page.html")
    result = cli("compare", ran.folder, other)
    assert comparison.text(width=120).split() == result.out.split()
    assert comparison.plots()
    assert (tmp_path / "page.html").is_file()
    with pytest.raises(paretune.UserError):
        paretune.compare(ran)


def test_report_is_written_where_it_is_wanted(ran: paretune.Study, tmp_path: Path) -> None:
    assert ran.report(tmp_path / "page.html") == tmp_path / "page.html"
    assert (tmp_path / "page.html").stat().st_size > 1_000_000


def test_trial_of_a_trainer_has_no_network(ran: paretune.Study) -> None:
    trial = ran.pick("knee")
    for use in (trial.model, lambda: trial.predict(1), lambda: trial.artifact):
        with pytest.raises(paretune.UserError, match="made by your own trainer"):
            use()
    with pytest.raises(paretune.UserError, match="made by your own trainer"):
        trial.export("nowhere")


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("latency <= 0 ms", "no trial of the front meets it"),
        ("99", "--pick 99: there is no such trial; the last is 5"),
        ("nicest", "--pick: "),
    ],
)
def test_pick_that_matches_nothing_is_refused(ran: paretune.Study, query: str, text: str) -> None:
    with pytest.raises(paretune.UserError) as error:
        ran.pick(query)
    assert text in str(error.value)


def test_removed_database_is_named(ran: paretune.Study) -> None:
    trial = ran.trials[1]
    (ran.folder / "study.db").unlink()
    for read in (lambda: ran.front, trial.show, lambda: ran.trials[1], ran.status):
        with pytest.raises(paretune.UserError, match=r"study\.db"):
            read()


# -- a study with networks -----------------------------------------------------------------------


def test_trial_tells_its_numbers_plan_and_file(finished: Path, cli: Any) -> None:
    study = paretune.Study(finished)
    best = study.pick("smallest") if study.front.info.marked("smallest") else study.pick("knee")
    shown = cli("show", finished, best.number)
    assert best.show() == shown.out.rstrip("\n")
    assert best.state == "complete" and best.feasible and best.reason is None
    assert best.measurements["latency"].unit == "ms"
    assert best.measurements["latency"].low <= best.measurements["latency"].value
    assert best.test["accuracy"].count == 450
    assert best.artifact.stat().st_size == best.measurements["size"].value
    assert best.plan[0]["kind"] == "pretrain" and len(best.plan) >= 3
    assert "simple_cnn" in best.plan.summary and "architecture:" in str(best.plan)
    assert best.to_json()["number"] == best.number
    assert study.baseline.number == 0 and repr(study.baseline).startswith("<Baseline: complete;")
    assert study.trials[best.number].measurements == best.measurements


def test_network_and_deployed_file_of_a_trial_agree(finished: Path) -> None:
    study = paretune.Study(finished)
    floats = [t for t in study.trials if "quantization" not in str(t.plan)]
    inputs = np.random.default_rng(0).random((5, 1, 8, 8), "float32")
    model = floats[-1].model()
    assert not model.training
    with torch.inference_mode():
        expected = model(torch.from_numpy(inputs)).numpy()
    np.testing.assert_allclose(floats[-1].predict(inputs), expected, atol=1e-4)
    np.testing.assert_array_equal(
        floats[-1].predict(torch.from_numpy(inputs)), floats[-1].predict(inputs)
    )
    with pytest.raises(paretune.UserError, match=f"trial {floats[-1].number}: predict: "):
        floats[-1].predict(inputs[:, :, :3])


def test_changed_file_of_a_trial_is_not_run(finished: Path) -> None:
    trial = paretune.Study(finished).pick("knee")
    trial.artifact.write_bytes(b"other")
    with pytest.raises(paretune.UserError, match="the measured file is gone or changed"):
        trial.predict(np.zeros((1, 1, 8, 8), "float32"))


def test_export_of_a_trial_is_verified(finished: Path) -> None:
    folder = finished.parent / "out"
    verification = paretune.Study(finished).pick("knee").export(folder, latency=False)
    assert verification.ok and (folder / "manifest.json").is_file()
    assert paretune.verify(folder, latency=False).ok
    with pytest.raises(paretune.UserError, match="the folder is not empty"):
        paretune.Study(finished).pick("knee").export(folder)
    with pytest.raises(paretune.UserError, match="unknown format"):
        paretune.Study(finished).pick("knee").export(finished.parent / "b", to="onx")


def test_figures_have_texts_and_unknown_ones_list_the_names(finished: Path) -> None:
    study = paretune.Study(finished)
    figure = study.plot("front", "size", "latency")
    assert figure.layout.xaxis.title.text.startswith("size")
    texts = [text for trace in figure.data for text in trace.hovertext or ()]
    assert any(text.startswith("<b>baseline</b>") for text in texts)
    for name in ("history", "hypervolume", "parallel", "space"):
        assert study.plot(name).data, name
    with pytest.raises(paretune.UserError, match=r'no plot "fronts"; did you mean "front"\?'):
        study.plot("fronts")
    with pytest.raises(paretune.UserError, match=r'no objective "sise"; did you mean "size"\?'):
        study.plot("front", "sise")
    with pytest.raises(paretune.UserError, match="give two different objectives"):
        study.plot("front", "size", "size")
    with pytest.raises(paretune.UserError, match="too few trials"):
        study.plot("importance")


SCRIPT = """\
import sys
import paretune
from task_beside_the_script import evaluate

study = paretune.Study(
    evaluate=evaluate,
    space={"width": {"float": [0.1, 1.0]}},
    objectives={"error": {"minimize": "fraction"}},
    search={"sampler": "random", "trials": 40},
    folder=sys.argv[1],
)
assert study.run(workers=2, progress=False).ok
"""


@pytest.mark.slow
def test_workers_run_a_study_of_sections_from_the_file_that_is_written(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "task_beside_the_script.py").write_text(
        "import time\n\n\ndef evaluate(plan, report):\n"
        "    time.sleep(0.3)\n    return {'error': plan['width']}\n"
    )
    (tmp_path / "scripts" / "tune.py").write_text(SCRIPT)
    folder = tmp_path / "runs" / "shared"
    subprocess.run(
        [sys.executable, tmp_path / "scripts" / "tune.py", folder], check=True, cwd=tmp_path
    )
    assert len(paretune.Study(folder).trials) == 40
    assert "trial" in (folder / "worker-2.log").read_text()
    (tmp_path / "runs" / "shared.yaml").write_text("study: other\n")
    with pytest.raises(paretune.UserError, match="differs from the sections in Python"):
        quick(folder).run(workers=2, trials=50)
