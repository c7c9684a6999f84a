"""What `run` and `worker` do around the runner: more processes, the view, the last words."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.text import Text

from paretune.objectives.host import cores
from paretune.search.database.reader import records
from paretune.search.front.final_front import settled
from paretune.search.running.progress import make_progress
from paretune.search.running.runner import Runner
from paretune.search.study.records import StudyRecord
from paretune.search.study.spec import StudySpec
from paretune.search.views.front import front_info
from paretune.search.views.front_text import front_view
from paretune.search.views.goals import goals_info
from paretune.search.views.headline import answer_text


def run_study(spec: StudySpec, console: Console, workers: int, study: str) -> bool:
    """Runs a study with so many processes, writes the report and prints the front.

    Args:
        spec: The study.
        console: Where it is shown.
        workers: Processes on this host, this one included.
        study: As the user named it, for the commands to type next.

    Returns:
        False when the run gave up, or there is nothing on the front.
    """
    _set_threads(spec, _threads(workers))
    with make_progress(console) as progress, _helpers(spec, workers, study):
        ending = Runner(spec, progress).run()
    from paretune.search.views.report import (
        write_report,  # half a second that the first trial need not wait
    )

    with records(spec.storage) as found:
        record = settled(found.record())
    report = spec.folder / "report.html"
    write_report(record, report)
    _say(record, report, spec, console, study)
    return ending.ok and bool(record.front)


def work(spec: StudySpec, console: Console, threads: int | None) -> bool:
    """Works on a study beside other processes; False when the run gave up."""
    if threads is not None:
        _set_threads(spec, threads)
    with make_progress(console) as progress:
        return Runner(spec, progress).run().ok


def _set_threads(spec: StudySpec, threads: int) -> None:
    """Of training in this process; a trainer of the user's own sees to its threads itself."""
    if spec.trainer is None:
        import torch

        torch.set_num_threads(threads)


def _say(record: StudyRecord, report: Path, spec: StudySpec, console: Console, study: str) -> None:
    info = front_info(record)
    console.print()
    console.print(front_view(info, console.width))
    console.print(Text(answer_text(info), style="bold"))
    for goal in goals_info(record):
        console.print(goal.line)
    console.print(f"\nreport: {_short(report)}", soft_wrap=True)
    if any(row.trial for row in info.rows):
        console.print("next:", soft_wrap=True)
        knee = info.marked("knee")
        first = f"paretune export {study} --pick knee -o exported"
        if spec.trainer is not None:  # what there is to hand out, the user's code has
            first = f"paretune show {study} {knee.trial if knee else info.rows[-1].trial}"
        for command in (
            first,
            f"paretune run {study} --trials {2 * (spec.trials or len(record.trials))}",
        ):
            console.print(f"  {command}", soft_wrap=True)


def _short(path: Path) -> str:
    """Relative to the current folder where that is shorter."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)


def _threads(workers: int) -> int:
    """Of training in each of so many processes; a user or a cluster may want fewer than cores.

    Fewer where cores are shared: threads that wait for each other make a training several times
    as long (OMP_NUM_THREADS: https://www.openmp.org/spec-html/5.0/openmpse50.html).
    """
    each = max(1, cores() // workers)
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return min(each, int(wanted)) if wanted.isdecimal() and int(wanted) else each


@contextmanager
def _helpers(spec: StudySpec, workers: int, study: str) -> Iterator[None]:
    """Other workers of this run; they end with it."""
    command = [sys.executable, "-m", "paretune", "worker", study, "--storage", spec.storage]
    if spec.trials is not None:
        command += ["--trials", str(spec.trials)]
    if spec.seconds is not None:
        command += ["--time", f"{round(spec.seconds)}s"]
    command += ["--threads", str(_threads(workers))]
    spec.folder.mkdir(parents=True, exist_ok=True)
    helpers = []
    for number in range(2, workers + 1):
        with (spec.folder / f"worker-{number}.log").open("w") as log:
            helpers.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT))
    try:
        yield
    finally:
        for helper in helpers:
            helper.terminate()
        for helper in helpers:
            helper.wait()
