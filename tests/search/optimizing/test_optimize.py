"""Whole optimizations on the built-in digits: a killed one goes on, a model becomes a file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from paretune.search.database.reader import study_reader
from paretune.search.study_file.document import read_document
from support.command_line import invoke
from support.preflight_studies import STUDY
from support.studies import url_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

GOALS = ("--goal", "latency <= 3 x baseline", "--goal", "accuracy >= baseline - 90%")
ALWAYS = (*GOALS, "--time", "15m", "-o", "out")


@pytest.fixture(autouse=True)
def short_final_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shortens the final session: it takes its share of the long time that these tests allow."""
    monkeypatch.setattr("paretune.search.optimizing.time_plan.LONGEST_FINAL", 3.0)


def rounds_in(file: Path) -> tuple[dict[str, object], ...]:
    """Returns the rounds that are stored; none while there is no database."""
    try:
        with study_reader(url_of(file)) as reader:
            reader.study()
            return tuple(dict(content) for content in reader.rounds())
    except Exception:
        return ()


def finished_trials(file: Path) -> list[tuple[int, float]]:
    with study_reader(url_of(file)) as reader:
        return [(t.number, t.finished) for t in reader.trials() if t.finished]


def test_killed_optimization_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "small.yaml"
    file.write_text(STUDY)
    command = [sys.executable, "-m", "paretune", "optimize", "small.yaml", *ALWAYS]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            if len(rounds_in(file)) == 2 and len(finished_trials(file)) >= 2:
                break
            time.sleep(0.1)
        assert process.poll() is None, "it ended before it was killed"
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    before, trials = rounds_in(file), finished_trials(file)
    assert [r["state"] for r in before] == ["done", "running"]
    assert len(trials) >= 2  # the baseline, and one of round 1

    result = invoke("optimize", file, *ALWAYS, "--stop-at-goal")
    assert result.code == 0, result.err
    assert "continues round 1" in result.out
    assert finished_trials(file)[: len(trials)] == trials  # nothing was run again
    first, second = rounds_in(file)
    assert first == before[0]
    assert (second["number"], second["state"]) == (1, "done")
    assert float(str(second["seconds"])) > float(str(before[1]["seconds"]))
    assert second["exported"] == str(tmp_path / "out")
    assert 'goal "latency <= 3 x baseline": met' in result.out
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["trial"] > 0
    assert invoke("verify", "out", "--no-latency").code == 0
    assert file.read_text() == STUDY  # the user's file stays
    report = (tmp_path / "small" / "report.html").read_text()
    assert "<h2>Rounds</h2>" in report and "Round 1 ran" in report

    again = invoke("optimize", file, *ALWAYS, "--stop-at-goal", "--json")
    assert again.code == 0, again.err
    end = json.loads(again.out)
    assert end["ok"] and end["verified"] and end["reason"] == "every goal is met"
    assert len(end["rounds"]) == 2  # nothing was left to do but the export


def test_model_becomes_a_verified_file_in_one_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ("simple_cnn", "--data", "digits", *ALWAYS, "--stop-at-goal")
    result = invoke("optimize", *arguments)
    assert result.code == 0, result.err
    assert "The baseline (simple_cnn width 1) has accuracy" in result.out
    assert "takes" in result.out and "of the time" in result.out  # its bottleneck
    assert "No round follows: every goal is met" in result.out
    assert invoke("verify", "out", "--no-latency").code == 0
    file = tmp_path / "out.study.yaml"
    rounds = rounds_in(file)
    assert [r["number"] for r in rounds] == [0, 1]
    assert read_document(file).data["space"]
    other = invoke("optimize", "resnet", "--data", "digits", *ALWAYS)
    assert other.code == 2 and "is a study of model simple_cnn, not resnet" in other.err


def test_missed_goal_exports_the_nearest_trial_and_exits_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "small.yaml"
    text = STUDY.replace("{float: [0.0625, 0.125]}", "0.125").replace(
        "{choice: {none: {}, structured: {ratio: {float: [0.1, 0.5]}, round_to: 1}}}", "none"
    )
    file.write_text(text)  # two plans: float32 and dynamic int8
    goals = ("--goal", "size <= 0.001 x baseline")
    result = invoke("optimize", file, *goals, "--time", "15m", "-o", "out")
    assert result.code == 1, result.err
    assert "MISSED" in result.out
    assert "every plan of the space has been tried" in result.out
    assert "whose largest miss is the smallest" in result.out
    assert (tmp_path / "out" / "manifest.json").is_file()
