"""MLflow's own server on loopback, and the files that wandb writes without a network."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.command_line import invoke

TRAINER = """\
def train(plan, report):
    for step in (1, 2, 3):
        report(step, loss=plan["x"] / step)
    return {"error": plan["x"] ** 2, "cost": 1 - plan["x"]}
"""

STUDY = """\
study: tracked
evaluate: "tracked_trainer:train"
space: {{x: {{float: [0, 1]}}}}
objectives: {{error: {{minimize: points}}, cost: {{minimize: euro}}}}
search: {{trials: {trials}, sampler: random}}
track: {track}
"""

STARTS_WITHIN = 240
"""Seconds in which a server must answer on a busy host."""


def written(folder: Path, track: str, trials: int) -> Path:
    (folder / "tracked_trainer.py").write_text(TRAINER)
    file = folder / "tracked.yaml"
    file.write_text(STUDY.format(track=track, trials=trials))
    return file


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def mlflow_server(folder: Path, port: int) -> Iterator[str]:
    """Starts MLflow's server, and kills it at the end."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
    command += ["--port", str(port), "--backend-store-uri", f"sqlite:///{folder / 'runs.db'}"]
    command += ["--artifacts-destination", str(folder / "files")]
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{url}/health", process)
        yield url
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < until:
        assert process.poll() is None, "the server has ended"
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError("the server did not answer")


def runs_of(url: str) -> dict[str, Any]:
    """Returns name -> run of the experiment."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=url)
    experiment = client.get_experiment_by_name("plates")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], max_results=100)
    assert len({run.info.run_name for run in runs}) == len(runs)
    return {run.info.run_name: run for run in runs}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")
def test_mlflow_has_every_trial_after_an_outage(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    port = free_port()
    track = f"{{mlflow: {{uri: 'http://127.0.0.1:{port}', experiment: plates}}}}"
    file = written(tmp_path, track, trials=3)
    with mlflow_server(tmp_path, port) as url:
        assert invoke("run", file).code == 0
        first = runs_of(url)
        assert set(first) == {"tracked", "trial 1", "trial 2", "trial 3"}

    away = invoke("run", file, "--trials", 5)  # the server is gone
    assert away.code == 0
    assert "mlflow: 2 trials are not sent" in away.out
    missing = invoke("track", file)
    assert missing.code == 1 and "mlflow: 2 trials are missing" in missing.out

    with mlflow_server(tmp_path, port) as url:
        sent = invoke("track", file)
        assert (sent.code, sent.out) == (0, "mlflow: 2 trials sent, none is missing\n")
        runs = runs_of(url)
        assert set(runs) == {"tracked", *(f"trial {number}" for number in range(1, 6))}
        assert all(runs[name].info.run_id == first[name].info.run_id for name in first)

        parent, trial = runs["tracked"], runs["trial 2"]
        assert trial.data.tags["mlflow.parentRunId"] == parent.info.run_id
        x = float(trial.data.params["x"])
        assert trial.data.metrics["error"] == pytest.approx(x**2)
        client = MlflowClient(tracking_uri=url)
        losses = client.get_metric_history(trial.info.run_id, "evaluate.loss")
        assert [(m.step, m.value) for m in losses] == [
            (step, pytest.approx(x / step)) for step in (1, 2, 3)
        ]
        reports = client.list_artifacts(parent.info.run_id, "report")
        assert [entry.path for entry in reports] == ["report/report.html"]
        assert parent.data.params["search.sampler"] == "random"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")
def test_wandb_writes_a_run_for_the_study_and_for_each_trial(tmp_path: Path) -> None:
    file = written(tmp_path, "{wandb: {mode: offline, project: plates}}", trials=2)
    result = invoke("run", file)
    assert result.code == 0, result.err
    assert "not sent" not in result.out

    folders = sorted((tmp_path / "tracked" / "wandb").glob("offline-run-*"))
    numbers = {folder.name.split("-")[3] for folder in folders}  # offline-run-TIME-ID, or -ID-1
    assert len(numbers) == 3  # the study, trials 1 and 2
    content = b"".join(path.read_bytes() for path in sorted(folders[0].parent.rglob("*.wandb")))
    for text in (b"trial 1", b"trial 2", b"evaluate/loss", b"hypervolume", b"plates"):
        assert text in content


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")
def test_tracker_that_never_answers_does_not_stop_a_study(tmp_path: Path) -> None:
    file = written(tmp_path, f"{{mlflow: {{uri: 'http://127.0.0.1:{free_port()}'}}}}", trials=2)
    result = invoke("run", file)
    assert result.code == 0
    assert "all 2 trials are done" in result.out
    assert "`paretune track tracked.yaml`, sends what is missing" in result.out.replace("\n", " ")
