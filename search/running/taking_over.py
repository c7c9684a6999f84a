"""Takes over from another study what fits: trained stages, artifacts, and plans to try first.

The keys of stages decide which of them fit: they hold the data, the seed and the user's code. A
file is taken only if it has the digest that the other database says. Measurements are never taken:
each trial is measured again in this study.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.search.changing.inverse import choices_of, params_of
from paretune.search.database.counts import DROPPED
from paretune.search.database.origins import Origins
from paretune.search.database.snapshot import untouched_reader
from paretune.search.errors import UserError
from paretune.search.front.final_front import with_final_front
from paretune.search.running.opening import open_study
from paretune.search.running.origin import OriginStudy
from paretune.search.study.deployment import Deployment, deployments
from paretune.search.study.partial_assignment import AssignmentError, SpaceNames
from paretune.search.study.plan import Plan
from paretune.search.study.records import StudyRecord, TrialRecord
from paretune.search.study.spec import checkpoint_file, digest
from paretune.search.trial.events import Notice, Reporter
from paretune.spaces.domains import Node, Record

if TYPE_CHECKING:
    from paretune.search.data.dataset import Dataset
    from paretune.search.database.reader import StudyReader
    from paretune.search.study.spec import StudySpec
    from paretune.search.trial.open_study import OpenStudy
    from paretune.search.trial.stage_study import StageStudy

WRITERS = {"onnxruntime": ("torch", "onnx", "onnxruntime"), "torch": ("torch",)}
"""Library of a runtime -> packages that decide its files, whose versions a study stores.

Files of other runtimes are written again.
"""

NOT_HERE = (ValueError, LookupError, OSError, ImportError, AttributeError, UserError)
"""Errors of a plan that names something that does not exist here."""

MOST_SHOWN = 3
"""Most plans outside the space that are named."""


@dataclass
class TakenOver:
    """What a run took over.

    Attributes:
        stages: Number of trained stages.
        seconds: Seconds that their training took.
        artifacts: Number of artifacts.
        plans: Number of plans to try first.
        outside: Trial -> why its plan does not lie in this study's space.
        notes: Sentences on what did not fit.
    """

    stages: int = 0
    seconds: float = 0.0
    artifacts: int = 0
    plans: int = 0
    outside: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def lines(self, name: str) -> list[str]:
        """Returns what to tell the user.

        Args:
            name: The other study, as the user typed it.
        """
        counts = ((self.stages, "trained stage"), (self.artifacts, "artifact"))
        parts = [f"{n} {what}{'s' if n > 1 else ''}" for n, what in counts if n]
        if self.stages and self.seconds >= 1:
            parts[0] += f" ({self.seconds:.0f} s of training)"
        if self.plans:
            parts.append(f"{self.plans} plan{'s' if self.plans > 1 else ''} to try first")
        text = f"{', '.join(parts)} taken over" if parts else "nothing new to take over"
        outside = list(self.outside.items())
        lines = [f"from {name}: {text}", *self.notes]
        if outside:
            are = "plan of its front is" if len(outside) == 1 else "plans of its front are"
            reasons = "; ".join(f"trial {n}: {why}" for n, why in outside[:MOST_SHOWN])
            more = "; ..." if len(outside) > MOST_SHOWN else ""
            lines.append(f"{len(outside)} {are} outside this space ({reasons}{more})")
        return lines


def take_over(
    spec: StudySpec, origin: OriginStudy, report: Reporter, data: Dataset | None = None
) -> TakenOver:
    """Takes over what fits from another study, and says so; a second time only what is new.

    Args:
        spec: The study that is run.
        origin: The other study.
        report: Receives the sentences.
        data: The study's data, if it is loaded already.

    Raises:
        UserError: One of the studies cannot be opened, or the disk is full.
    """
    study = open_study(spec, data)
    try:
        with untouched_reader(origin.url) as reader:
            taken = _taken(study, origin, reader)
    except OSError as error:
        raise UserError(
            f"--from {origin.shown}: a file cannot be copied to {spec.folder}: {error.strerror}"
        ) from error
    finally:
        study.close()
    for line in taken.lines(origin.shown):
        report(Notice(line))
    return taken


def _taken(study: OpenStudy, origin: OriginStudy, reader: StudyReader) -> TakenOver:
    taken = TakenOver()
    record = with_final_front(reader.record())
    front = [trial for trial in record.front if trial.number]
    if study.spec.trainer is None:
        from paretune.search.trial.stage_study import StageStudy

        assert isinstance(study, StageStudy)
        _FileTaker(study, origin, reader, record, taken).take()
    plans = []
    row = reader.study()
    spaces = {version.number: version.identity["space"] for version in reader.versions()}
    for trial in front:
        # A study that changed has trials of several spaces.
        tree = spaces.get(reader.version_of(trial.number), row["identity"].get("space"))
        try:
            plans.append(_plan_here(trial.params, tree, study.spec.space))
        except AssignmentError as error:
            taken.outside[trial.number] = f"{'.'.join(error.path)}: {error}"
    name = digest([row["name"], row["created"]])[:32]
    taken.plans = Origins(study.engine).add(name, plans, study=row["name"])
    return taken


def _plan_here(params: Mapping[str, Any], tree: Any, space: Node) -> dict[str, Any]:
    """Returns the values that a plan of another study has in this space.

    A parameter that the other study does not have gets its fixed value there, if this space offers
    it: a technique that is new here is left out. Only what remains is drawn.

    Args:
        params: Its parameters in the other study.
        tree: The other space, as a database stores it.
        space: This space.

    Raises:
        AssignmentError: A parameter has no such value here.
    """
    decided = SpaceNames(space).assignment(params)
    choices: Any = {}
    with suppress(KeyError, TypeError):  # the trial began under an earlier version of its study
        choices = choices_of(tree, params)
    for key, child in space.fields if isinstance(space, Record) else ():
        if isinstance(choices, Mapping) and key in choices:
            part = params_of({key: choices[key]}, Record(((key, child),)))
            decided = {**(part or {}), **decided}
    return decided


class _FileTaker:
    """Takes stages and artifacts from a study with built-in stages.

    Args:
        study: The study that is run.
        origin: The other study.
        reader: Reads its database.
        record: Its trials and front.
        taken: Counts what is taken.
    """

    def __init__(
        self,
        study: StageStudy,
        origin: OriginStudy,
        reader: StudyReader,
        record: StudyRecord,
        taken: TakenOver,
    ) -> None:
        self._study, self._origin, self._reader = study, origin, reader
        self._record, self._taken = record, taken
        self._pipeline, self._cache = study.workbench.pipeline, study.workbench.cache
        self._plans = {
            trial.number: _relocated(trial.plan, origin.base, study.spec.file.parent)
            for trial in sorted(record.trials, key=lambda t: t.number not in record.members)
            if trial.plan and trial.repeat_of is None
        }

        stages = reader.stages()
        self._made = stages.keys()
        self._kept = {key: row for key, row in stages.items() if row["file"] != DROPPED}

    def take(self) -> None:
        """Takes what fits, the front's first."""
        notes, folder = self._taken.notes, self._origin.folder
        if folder is None:
            notes.append("only plans: a database alone has no trained stages")
            return
        if self._record.info.get("fingerprint") != self._study.workbench.data.fingerprint:
            notes.append("its data, or the split of it, is another: no trained stage fits")
            return
        self._take_stages(folder)
        if self._record.info.get("host") == self._study.host:  # files may suit one processor only
            for trial in self._record.trials:
                if trial.number in self._plans and trial.artifact is not None:
                    self._take_artifacts(folder, trial)

    def _take_stages(self, folder: Path) -> None:
        taken = self._taken
        rows = [self._kept[key] for key in self._keys() if key in self._kept]
        if self._kept and not rows:
            taken.notes.append(
                "none of its trained stages fits: the seed, the task or code differs"
            )
        free, damaged = self._cache.free_bytes, 0
        for row in rows:
            if self._cache.has(row["key"]):
                continue
            free -= row["bytes"]
            if free < 0:
                taken.notes.append("the stage cache is full (search.cache): some stages were left")
                break
            if not self._cache.adopt(row, folder / row["file"]):
                damaged += 1
                continue
            self._study.store.add_curve(row["key"], self._reader.curve(row["key"]))
            taken.stages += 1
            taken.seconds += row["seconds"]
        if damaged:
            taken.notes.append(f"{damaged} of its trained stages are missing or damaged, and left")

    def _keys(self) -> list[str]:
        """Returns the keys that the stages of its plans have in this study, each once."""
        keys: dict[str, None] = {}
        for plan in self._plans.values():
            described = (stage.params.get("teacher") for stage in plan.stages)
            teachers = [teacher for teacher in described if teacher]
            # A plan may name a class, a technique or a file that does not exist here.
            with suppress(*NOT_HERE):
                keys |= dict.fromkeys(sorted(self._pipeline.keys([plan], teachers)))
        return list(keys)

    def _take_artifacts(self, folder: Path, trial: TrialRecord) -> None:
        plan, files = self._plans[trial.number], self._cache.taken_artifacts
        versions = self._record.info.get("versions") or {}
        for deployment, key in self._deployed(plan):
            target = deployment.target
            artifact = trial.artifact if target is None else trial.artifacts.get(target)
            if artifact is None or files.has(key) or not _is_current(deployment, versions):
                continue
            self._taken.artifacts += files.add(key, folder / artifact["path"], artifact)

    def _deployed(self, plan: Plan) -> list[tuple[Deployment, str]]:
        """Returns the deployments of a plan with their keys; none if another network is behind it.

        The other study has trained the same network if it has made the stage of this key.
        """
        with suppress(*NOT_HERE):
            if self._pipeline.trained_key(plan) not in self._made:
                return []
            return [(each, self._pipeline.deployed_key(plan, each)) for each in deployments(plan)]
        return []


def _is_current(deployment: Deployment, versions: Mapping[str, str]) -> bool:
    """Returns whether a runtime would write the same file with the versions of today."""
    packages = WRITERS.get(deployment.runtime.library.partition(".")[0])
    wanted = ("paretune", *(packages or ()))
    return packages is not None and all(versions.get(name) == version(name) for name in wanted)


def _relocated(plan: Sequence[Mapping[str, Any]], old: Path, new: Path) -> Plan:
    """Returns a plan whose paths of checkpoints are relative to another folder.

    Args:
        plan: The plan as JSON.
        old: Folder of the study file that it comes from.
        new: Folder of this study's file.
    """

    def moved(value: Any) -> Any:
        if isinstance(value, list):
            return [moved(child) for child in value]
        if not isinstance(value, Mapping):
            return value
        inside = {k: v if k == "architecture" else moved(v) for k, v in value.items()}
        if inside.get("checkpoint"):
            checkpoint = inside["checkpoint"]
            path = Path(os.path.relpath(old / checkpoint_file(checkpoint), new)).as_posix()
            named = isinstance(checkpoint, Mapping)
            inside["checkpoint"] = {**checkpoint, "file": path} if named else path
        return inside

    return Plan.from_json(moved(plan))
