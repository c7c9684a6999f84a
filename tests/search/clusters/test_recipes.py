"""The files of docs/scale.md for Slurm and Kubernetes work as they are."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from paretune.search.commands.worker import command as worker

PAGE = Path(__file__).parents[3] / "docs" / "scale.md"


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def test_kubernetes_jobs_start_workers_with_options_that_exist() -> None:
    [text] = [block for block in _blocks("yml") if "kind: Job" in block]
    jobs = list(yaml.safe_load_all(text))
    assert [job["metadata"]["name"] for job in jobs] == ["paretune-train", "paretune-measure"]
    for job, role in zip(jobs, ("train", "measure"), strict=True):
        [container] = job["spec"]["template"]["spec"]["containers"]
        program, name, *arguments = container["command"]
        assert (program, name) == ("paretune", "worker")
        context = worker.make_context("worker", arguments, resilient_parsing=False)
        assert isinstance(context, click.Context)
        assert context.params["only"] == role
        assert container["envFrom"] == [{"secretRef": {"name": "paretune"}}]


@pytest.mark.parametrize("ending", ["terminated", "done"])
def test_slurm_job_is_queued_again_only_when_it_was_interrupted(
    tmp_path: Path, ending: str
) -> None:
    script = next(block for block in _blocks("bash") if "scontrol requeue" in block)
    home, programs = tmp_path / "home", tmp_path / "bin"
    (home / "paretune" / ".venv" / "bin").mkdir(parents=True)
    (home / "paretune" / ".venv" / "bin" / "activate").write_text("")
    programs.mkdir()
    calls = tmp_path / "calls"
    work = "exec sleep 600" if ending == "terminated" else "exit 0"
    _program(programs / "paretune", f'echo "paretune $@" >> {calls}\n{work}')
    _program(programs / "scontrol", f'echo "scontrol $@" >> {calls}')
    environment: dict[str, Any] = {
        **os.environ,
        "HOME": str(home),
        "PATH": f"{programs}:{os.environ['PATH']}",
        "SLURM_JOB_ID": "17",
        "SLURM_CPUS_PER_TASK": "4",
    }
    job = subprocess.Popen(["bash", "-c", script], env=environment)
    started = f"paretune worker {home}/studies/plates.yaml --only train --threads 4"
    until = time.monotonic() + 60
    while not (calls.exists() and calls.read_text()) and time.monotonic() < until:
        time.sleep(0.01)
    if ending == "terminated":
        job.send_signal(signal.SIGTERM)
    assert job.wait(60) == 0
    again = ["scontrol requeue 17"] if ending == "terminated" else []
    assert calls.read_text().splitlines() == [started, *again]


def _program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)
