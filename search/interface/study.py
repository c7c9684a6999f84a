"""A study as an object: check, run, look at the trials, pick one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.search.errors import UserError
from paretune.search.interface.study_argument import source_of
from paretune.search.interface.study_source import overrides_of, time_text
from paretune.search.interface.study_view import StudyView

if TYPE_CHECKING:
    from paretune.search.interface.results import Retargeting, StudyCheck
    from paretune.search.interface.session import SessionEnd
    from paretune.search.running.origin import OriginStudy
    from paretune.search.study.spec import StudySpec
    from paretune.search.trial.events import Reporter


class Study(StudyView):
    """A study: of a file, of the folder of a study that was run, or of sections in Python.

    `Study("plates.yaml")`, `Study("plates")` and `Study("plates/study.db")` name a study as STUDY
    does on the command line. `Study(task=Plates, space={...}, objectives={...}, folder="plates")`
    has the sections of a study file as keywords, and a mapping of them works, too. Classes and
    functions may stand where a study file has a dotted path.

    Args:
        study: The file, the folder or the database of a study; or a mapping of its sections.
        folder: The folder that keeps the trials of a study of sections. Relative paths in the
            sections start at the folder around it.
        storage: Database, as --storage: "sqlite", "sqlite:///FILE", "postgresql://USER@HOST/DB".
        set: Values to replace, as --set: {"search.seed": 1}.
        task: Section `task`: a name, a class, an object, or a function that returns one.
        data: Section `data`: a mapping, or a function or mapping of arrays, Datasets or loaders.
        baseline: Section `baseline`: a mapping, or a network, its class or a function for one.
        space: Section `space`.
        objectives: Section `objectives`.
        constraints: Section `constraints`.
        goals: Section `goals`.
        runtime: Section `runtime`.
        search: Section `search`.
        budget: Section `budget`.
        **sections: Further sections of a study file.

    Raises:
        UserError: There is no such study, or a section is unknown.
    """

    def __init__(
        self,
        study: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        /,
        *,
        folder: str | os.PathLike[str] | None = None,
        storage: str | None = None,
        set: Mapping[str, Any] | Sequence[str] = (),
        task: Any = None,
        data: Any = None,
        baseline: Any = None,
        space: Mapping[str, Any] | None = None,
        objectives: Mapping[Any, Any] | None = None,
        constraints: Sequence[str] | None = None,
        goals: Sequence[str] | None = None,
        runtime: Any = None,
        search: Mapping[str, Any] | None = None,
        budget: Mapping[str, Any] | None = None,
        **sections: Any,
    ) -> None:
        named = {
            "task": task,
            "data": data,
            "baseline": baseline,
            "space": space,
            "objectives": objectives,
            "constraints": constraints,
            "goals": goals,
            "runtime": runtime,
            "search": search,
            "budget": budget,
        }
        typed = {name: value for name, value in named.items() if value is not None} | sections
        super().__init__(source_of(study, typed, folder, storage, overrides_of(set)))

    def check(self, full: bool = False, *, cluster: str | None = None) -> StudyCheck:
        """Checks the study, and returns what a run would do; nothing is trained or written.

        Args:
            full: Also try each part of the study once, and estimate how long a run takes.
            cluster: Also check whether a Ray cluster can run the study, as --cluster.

        Raises:
            UserError: The study has mistakes; the text lists all of them.
        """
        from paretune.search.interface.checking import checked_study, fully_checked
        from paretune.search.interface.cluster import Cluster
        from paretune.search.interface.results import StudyCheck

        ray_cluster = Cluster.named(cluster)
        with self._source.at_work():
            spec = self._source.spec()
            info = checked_study(spec, ray_cluster)
            if not full:
                return StudyCheck(info)
            where = self._source.where()
            result = fully_checked(spec, where, ray_cluster)
            result.raise_mistakes(where)
            return StudyCheck(info, result)

    def run(
        self,
        trials: int | None = None,
        time: str | float | None = None,
        *,
        workers: int | None = None,
        cluster: str | None = None,
        retry_failed: bool = False,
        start_from: Study | str | os.PathLike[str] | None = None,
        progress: bool = True,
        reporters: Sequence[Reporter] = (),
    ) -> SessionEnd:
        """Runs the study, or continues it; writes its report.

        An interrupt (Ctrl-C, or the stop button of a notebook) keeps what is done. The same call
        continues. In a thread, a reporter stops the run by raising KeyboardInterrupt.

        Args:
            trials: Number of trials in all: finished ones count, the baseline does not.
            time: Time limit of this run: "30m", or seconds.
            workers: Processes on this machine that run trials, by default one; on a cluster, the
                workers that train, by default as many as fit.
            cluster: A Ray cluster that runs the workers, as --cluster: "ray" or "ray://HOST:PORT".
                It needs a database server, a store, and parts that are importable from files.
            retry_failed: Whether trials that failed before are run once more.
            start_from: Another study, as --from: its trained stages and artifacts that fit are
                taken over, and the plans of its front are tried first.
            progress: Whether the progress is shown.
            reporters: Functions that receive each event of `paretune.search.trial.events`.

        Raises:
            UserError: The study has mistakes, or cannot be run. Finished trials are kept.
            KeyboardInterrupt: The user stopped the run. Finished trials are kept.
        """
        from paretune.search.interface.cluster import Cluster
        from paretune.search.interface.notebook_progress import shown_progress
        from paretune.search.interface.session import run_session
        from paretune.search.interruption import noted_interrupts

        _check_numbers(trials, workers)
        ray_cluster = Cluster.named(cluster, workers)
        here = 1 if ray_cluster or workers is None else workers
        source = self._source
        shared = ray_cluster is not None or here > 1
        if shared:
            source.refuse_workers(f"cluster={cluster}" if ray_cluster else f"workers={workers}")
        with source.at_work(), noted_interrupts(), shown_progress(progress) as shown:
            spec = source.spec(trials, time_text(time))
            if ray_cluster is not None:
                ray_cluster.refuse(spec)  # before a file is written for its workers
            origin = None if start_from is None else _origin(start_from, spec)
            return run_session(
                spec,
                reporters=[*([shown] if shown else []), *reporters],
                workers=here,
                worker_options=[word for text in source.overrides for word in ("--set", text)],
                retry_failed=retry_failed,
                study=str(source.file_for_workers() if shared else source.location.file),
                where=source.where(),
                origin=origin,
                cluster=ray_cluster,
            )

    def pause(self) -> str:
        """Lets the workers of the study pause, in this process or any other; returns what happens.

        They hold after their current stage or epoch.
        """
        return self._steer("pause")

    def resume(self) -> str:
        """Lets workers that pause go on; returns what happens."""
        return self._steer("resume")

    def stop(self) -> str:
        """Lets the workers of the study leave, in this process or any other; returns what happens.

        They end their current stage. `run` continues the study.
        """
        return self._steer("stop")

    def _steer(self, action: str) -> str:
        from paretune.search.running.steering import steer

        location = self._source.location
        named = location.file if self._source.has_file else location.folder
        return steer(location.url, action, named, []).text

    def report(self, path: str | os.PathLike[str] | None = None) -> Path:
        """Writes the report, one HTML file that opens offline; returns its path.

        Args:
            path: The file; None for report.html in the study's folder.
        """
        from paretune.search.views.report import write_report

        file = Path(path) if path is not None else self.folder / "report.html"
        write_report(self._record(), file)
        return file

    def retarget(
        self,
        runtime: str | None = None,
        *,
        threads: int | None = None,
        options: Mapping[str, Any] | None = None,
        target: str | None = None,
        trials: str | Sequence[int] = "front",
        again: bool = False,
        progress: bool = True,
    ) -> Retargeting:
        """Measures the models of the study in another runtime or on this machine.

        Args:
            runtime: The runtime; None for the study's own.
            threads: Threads of one inference; 0: all cores.
            options: Other options of the runtime.
            target: A target of the study; None for the first.
            trials: "front", "all", or numbers.
            again: Whether to repeat measurements that are stored.
            progress: Whether a line is printed for each model.

        Raises:
            UserError: The runtime, an option or a trial does not exist.
        """
        from paretune.search.interface.results import Retargeting
        from paretune.search.retargeting.request import RetargetRequest
        from paretune.search.retargeting.retarget import retarget
        from paretune.search.retargeting.table import retarget_info

        values = {**(options or {}), **({} if threads is None else {"threads": threads})}
        numbers = trials if isinstance(trials, str) else ",".join(map(str, trials))
        request = RetargetRequest(runtime, values, target, numbers, again)
        with self._source.at_work():
            result = retarget(self._source.location, request, _say if progress else _say_nothing)
        return Retargeting(retarget_info(result))


def _origin(other: Study | str | os.PathLike[str], spec: StudySpec) -> OriginStudy:
    """Returns the study that a run takes something over from.

    Raises:
        UserError: There is no such study, or it is the study that is run.
    """
    from paretune.search.running.origin import OriginStudy

    named = other.folder if isinstance(other, Study) else other
    return OriginStudy.of(os.fspath(named), spec.storage)


def _check_numbers(trials: int | None, workers: int | None) -> None:
    """Refuses numbers that the command line refuses, too.

    Raises:
        UserError: A number is out of range.
    """
    for name, value in (("trials", trials), ("workers", workers)):
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise UserError(f"{name}: give a whole number, not {value!r}")
        if value is not None and value < 1:
            raise UserError(f"{name}: give 1 or more, not {value}")


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - progress, unless the caller does not want it


def _say_nothing(text: str) -> None:
    return None
