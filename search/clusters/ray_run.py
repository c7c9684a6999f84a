"""A run on a Ray cluster: Ray places workers, and the study's database decides what they do."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.objectives.calm import no_wait_variable
from paretune.search.clusters.following import Follower
from paretune.search.clusters.placement import Placement, placements
from paretune.search.clusters.ray_cluster import connected, nodes_of
from paretune.search.clusters.ray_worker import Left, Ticket, begin, work
from paretune.search.clusters.requirements import refuse_unshared, resources_of
from paretune.search.clusters.secrets import travelling_variables
from paretune.search.clusters.travelling import pack
from paretune.search.errors import UserError
from paretune.search.interruption import stop_if_interrupted
from paretune.search.running.stopping import Ending
from paretune.search.study.role import Role
from paretune.search.trial.events import Notice, Reporter

if TYPE_CHECKING:
    from paretune.search.clusters.ray_worker import Join
    from paretune.search.study.spec import StudySpec

LOOK_EVERY = 1.0
"""Longest time between two looks at the database, in seconds."""

NODES_EVERY = 10.0
"""Seconds between two looks whether the host that measures is there."""

MOST_LOST = 20
"""Workers in a row that may be lost before a trial ends."""

LEAVING_S = 30.0
"""Longest wait for workers to leave after an interrupt, in seconds."""


@dataclass(frozen=True)
class ClusterRun:
    """What a cluster runs.

    Attributes:
        spec: The study.
        join: Joins the study on a node: `interface.joining.join_study`.
        begin_version: Takes a changed study file up on a node.
        overrides: --set options.
        retry_failed: Whether failed trials are run again.
        workers: Number of workers that train; None for as many as the cluster holds.
        address: `ray://HOST:PORT`, or None.
    """

    spec: StudySpec
    join: Join
    begin_version: Callable[[StudySpec], None]
    overrides: tuple[str, ...] = ()
    retry_failed: bool = False
    workers: int | None = None
    address: str | None = None


def run_on_ray(run: ClusterRun, report: Reporter) -> Ending:
    """Runs a study on a Ray cluster, and reports the trials of all its workers.

    Args:
        run: What to run.
        report: Receives the events.

    Raises:
        UserError: The study cannot be shared, the cluster cannot be used, or a worker refuses.
        KeyboardInterrupt: The user wants to stop; finished stages and trials are kept.
    """
    from paretune.search.database.engine import open_engine
    from paretune.search.database.store import Store
    from paretune.search.trial.open_study import axes_of

    refuse_unshared(run.spec)
    store = Store(open_engine(run.spec.storage, create=True))
    follower = Follower(run.spec, store, axes_of(run.spec), report)
    try:
        with tempfile.TemporaryDirectory(prefix="paretune-") as folder:
            file = pack(run.spec, Path(folder))
            with connected(run.address, Path(folder)) as ray:
                return _Workers(ray, run, file.name, report).run(follower)
    finally:
        store.close()


class _Workers:
    """The workers of a run, as Ray tasks.

    Args:
        ray: The connected package.
        run: What they run.
        file: Name of the study file in the folder that travels.
        report: Receives notices.
    """

    def __init__(self, ray: Any, run: ClusterRun, file: str, report: Reporter) -> None:
        self._ray, self._run, self._report = ray, run, report
        self._begun = time.monotonic()
        self._looked = -NODES_EVERY
        self._lost = 0
        self._absent: set[str] = set()
        self._tasks: dict[Any, Placement] = {}
        self._left: list[Ending] = []
        spec = run.spec
        self._ticket = Ticket(
            file=file,
            overrides=(*run.overrides, *_files_option(spec)),
            storage=spec.storage,
            trials=spec.trials,
            role=Role.ALL,
            threads=1,
            retry_failed=run.retry_failed,
            environment={**travelling_variables(spec.source), **no_wait_variable()},
        )

    def run(self, follower: Follower) -> Ending:
        """Runs all workers to their ends; returns the ending of the run."""
        nodes = nodes_of(self._ray)
        plan = placements(resources_of(self._run.spec), nodes, self._run.workers)
        self._begin_version(plan[0])
        follower.begin(_cluster_text(len(nodes), plan))
        for placement in plan:
            for _ in range(placement.number):
                self._start(placement)
        try:
            while self._tasks:
                stop_if_interrupted()
                self._wait()
                if follower.update():
                    self._lost = 0
                self._look_at_nodes(plan)
        except BaseException:
            self._cancel()
            raise
        ending = _joint(self._left)
        follower.end(ending)
        return ending

    def _begin_version(self, placement: Placement) -> None:
        """Takes a changed study file up where times may be taken."""
        from paretune.search.changing.preview import has_changed

        if has_changed(self._run.spec):
            task = self._task(begin, placement).remote(self._ticket, self._run.begin_version)
            self._refuse(self._ray.get(task))

    def _start(self, placement: Placement) -> None:
        ticket = replace(self._ticket, role=placement.role, threads=placement.cpu)
        limit = self._run.spec.seconds
        left = None if limit is None else limit - (time.monotonic() - self._begun)
        task = self._task(work, placement).remote(ticket, self._run.join, left)
        self._tasks[task] = placement

    def _task(self, function: Callable[..., Left], placement: Placement) -> Any:
        options = {
            "num_cpus": placement.cpu,
            "num_gpus": placement.gpu,
            "resources": dict(placement.bound),
            "max_retries": 0,  # this process starts lost workers again, and says so
            "max_calls": 1,  # a new process for each: it holds no memory of a GPU afterwards
            "scheduling_strategy": "SPREAD",
            "name": f"paretune {placement.role.value}",
        }
        return self._ray.remote(**options)(function)

    def _wait(self) -> None:
        """Waits for a worker to end, for a moment; starts another one if it was lost."""
        ended, _ = self._ray.wait(list(self._tasks), timeout=LOOK_EVERY)
        for task in ended:
            placement = self._tasks.pop(task)
            left = self._result(task, placement)
            if left is None:
                self._start(placement)
            else:
                self._refuse(left)
                self._left.append(left.ending)

    def _result(self, task: Any, placement: Placement) -> Left | None:
        """Returns why a worker left; None if it was lost with its process or its node."""
        errors = self._ray.exceptions
        try:
            left: Left = self._ray.get(task)
            return left
        except errors.RuntimeEnvSetupError as error:
            raise UserError(f"--cluster: the study's files cannot be copied: {error}") from error
        except (errors.RayTaskError, errors.TaskCancelledError):
            raise  # a mistake in Paretune
        except errors.RayError as error:
            self._lost += 1
            text = str(error).strip().splitlines() or [""]
            if self._lost > MOST_LOST:
                raise UserError(
                    f"{self._lost} workers in a row were lost before a trial ended; the last: "
                    f"{text[0]}"
                ) from error
            kind = {Role.TRAIN: "that trains ", Role.MEASURE: "that measures "}
            self._report(
                Notice(
                    f"a worker {kind.get(placement.role, '')}was lost ({type(error).__name__}); "
                    "another one starts, and its trial goes on"
                )
            )
            return None

    @staticmethod
    def _refuse(left: Left) -> None:
        if left.mistake is not None:
            raise UserError(left.mistake)

    def _look_at_nodes(self, plan: Sequence[Placement]) -> None:
        """Says when the host that measures has left the cluster, and when it is back."""
        if time.monotonic() - self._looked < NODES_EVERY:
            return
        self._looked = time.monotonic()
        there = {name for node in nodes_of(self._ray) for name in node.resources}
        for name in {name for placement in plan for name in placement.bound}:
            host = name.removeprefix("node:")
            if name not in there and name not in self._absent:
                self._absent.add(name)
                self._report(Notice(f"{host} has left the cluster; trained trials wait for it"))
            elif name in there and name in self._absent:
                self._absent.remove(name)
                self._report(Notice(f"{host} is back in the cluster"))

    def _cancel(self) -> None:
        """Interrupts the workers, and waits until they have left."""
        tasks = list(self._tasks)
        for task in tasks:
            self._ray.cancel(task)
        if tasks:
            self._ray.wait(tasks, num_returns=len(tasks), timeout=LEAVING_S)


def _files_option(spec: StudySpec) -> list[str]:
    """Returns the store as a --set option: a relative path would begin elsewhere on a node."""
    if spec.files is None:
        return []
    plain = spec.files if spec.files.get("options") else spec.files["url"]
    return [f"files={json.dumps(plain)}"]


def _cluster_text(nodes: int, plan: Sequence[Placement]) -> str:
    """Returns `Ray, 3 nodes: 1 worker measures, 4 train`."""
    verbs = {Role.MEASURE: "measure", Role.TRAIN: "train", Role.ALL: "train and measure"}
    parts = [f"{each.number} to {verbs[each.role]}" for each in plan]
    return (
        f"Ray cluster of {nodes} {'node' if nodes == 1 else 'nodes'}, workers: {', '.join(parts)}"
    )


def _joint(endings: Sequence[Ending]) -> Ending:
    """Returns the ending of a run from those of its workers."""
    wrong = [each for each in endings if not each.ok]
    stopped = [each for each in endings if each.stopped]
    over = [each for each in endings if each.over]
    return next(iter((*wrong, *stopped, *over, *endings)))
