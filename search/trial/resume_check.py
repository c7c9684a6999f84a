"""Tells what changed between a stored study and its file, and refuses what must not change."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paretune.search.building.sources import file_digest, sources_of
from paretune.search.data import DATASETS
from paretune.search.errors import UserError
from paretune.search.shell import without_password
from paretune.search.study.spec import (
    ObjectiveSpec,
    Selection,
    StudySpec,
    TrainerSpec,
    canonical,
    checkpoint_file,
)
from paretune.search.study_file.storage import storage_url
from paretune.search.tasks import CLASSIFICATION
from paretune.spaces.domains import Choice, Fixed, Float, Int, Items, Node, Record, parameters

ABSENT = "absent"
"""Stands for the value of a key that one of two versions lacks."""

FIXED = ("study", "task", "data", "baseline", "runtime", "targets", "evaluate", "cheap")
"""The parts of the identity on which every trial depends."""

FIXED_KEYS = ("order.targets",)
"""Further such keys."""

FIXED_WHERE_SHARED = ("content.", "units.", "quantities.")
"""The keys below these may come and go, but one that stays must not change."""

LOADING = ("workers", "pin_memory", "prefetch", "memory")
"""Options of a data set that change how it is read, but not its content."""


def identity(spec: StudySpec) -> dict[str, Any]:
    """Returns everything that decides the trials of a study, as JSON.

    If it changes, the study has a new version. Budget, goals and storage are no part of it.
    """
    return {
        "study": spec.name,
        **(_stages(spec) if spec.trainer is None else _trainer(spec.trainer, spec.objectives)),
        "space": _tree(spec.space),
        "objectives": {o.name: {o.direction: _options(o)} for o in spec.objectives},
        "constraints": [c.text for c in spec.constraints],
        "search": {
            "sampler": {spec.sampler.name: dict(spec.sampler.params)},
            "seed": spec.seed,
            **({"racing": spec.racing.model_dump()} if spec.racing else {}),
        },
        # A grid counts in the order of the choices; Optuna stores values in objective order.
        "order": {
            "objectives": [o.name for o in spec.objectives],
            **({"targets": list(spec.targets)} if spec.targets else {}),
            **{
                p.name: p.domain.labels
                for p in parameters(spec.space)
                if isinstance(p.domain, Choice)
            },
        },
    }


def _stages(spec: StudySpec) -> dict[str, Any]:
    data = {k: v for k, v in spec.data.params.items() if k not in LOADING}
    return {
        **_task(spec),
        "data": {spec.data.name: data},
        "baseline": {
            "architecture": dict(spec.baseline.architecture),
            "checkpoint": spec.baseline.checkpoint,
            "pretrain": spec.baseline.pretrain,
        },
        **({"content": content} if (content := content_of(spec)) else {}),
        **_deployed(spec),
        **({"teachers": dict(spec.teachers)} if spec.teachers else {}),
    }


def _task(spec: StudySpec) -> dict[str, Any]:
    """Returns the task, unless it is classification without options, as in all old studies."""
    task = {spec.task.name: dict(spec.task.params)}
    return {} if task == {CLASSIFICATION: {"keep": []}} else {"task": task}


def content_of(spec: StudySpec) -> dict[str, str]:
    """Returns name -> digest of the files that make the networks of a study.

    These are checkpoints, folders of weights, and the user's code of networks and techniques.
    """
    named = [
        dict(spec.baseline.architecture),
        spec.teachers,
        _tree(spec.space),
        dict(spec.task.params),
    ]
    sources = sources_of(named, spec.file.parent)
    content = {name: make() for name, make in sources.items()}
    for checkpoint in _checkpoints([vars(spec.baseline), spec.teachers]):
        content[checkpoint] = file_digest(spec.file.parent / checkpoint)
    return {name: value[:16] for name, value in content.items() if value is not None}


def _checkpoints(value: Any) -> Iterator[str]:
    """Yields the files of the checkpoints in descriptions of networks."""
    if isinstance(value, Mapping):
        if value.get("checkpoint"):
            yield checkpoint_file(value["checkpoint"])
        for key, child in value.items():
            if key not in ("architecture", "checkpoint"):
                yield from _checkpoints(child)
    elif isinstance(value, list | tuple):
        for child in value:
            yield from _checkpoints(child)


def _deployed(spec: StudySpec) -> dict[str, Any]:
    if not spec.targets:
        return {"runtime": _runtime(spec, None, spec.runtime)}
    return {"targets": {n: _runtime(spec, n, selected) for n, selected in spec.targets.items()}}


def _runtime(spec: StudySpec, target: str | None, selected: Selection) -> dict[str, Any]:
    """Returns a runtime with its options, and what its device decides."""
    device = spec.devices.get(target)
    return {selected.name: dict(selected.params), **(device.identity() if device else {})}


def _trainer(trainer: TrainerSpec, objectives: Sequence[ObjectiveSpec]) -> dict[str, Any]:
    return {
        "evaluate": trainer.evaluate,
        "cheap": trainer.cheap,
        "baseline": None if trainer.baseline is None else dict(trainer.baseline),
        "quantities": dict(trainer.quantities),
        "units": {o.name: o.unit for o in objectives},
    }


def _options(objective: ObjectiveSpec) -> dict[str, Any]:
    """Returns an objective's options, with its worst value if the study names one."""
    worst = {} if objective.worst is None else {"worst": objective.worst}
    return {**objective.options, **worst}


@dataclass(frozen=True)
class Difference:
    """A key of the identity that differs between two versions of a study.

    Attributes:
        key: The key, with dots.
        old: Its value in the stored study, or `ABSENT`.
        new: Its value in the study file, or `ABSENT`.
    """

    key: str
    old: Any
    new: Any

    @property
    def is_refused(self) -> bool:
        """Whether earlier trials cannot be compared with new ones after this change."""
        if self.key.startswith(FIXED_WHERE_SHARED):
            return ABSENT not in (self.old, self.new)
        return self.key.split(".")[0] in FIXED or self.key.startswith(FIXED_KEYS)


def stored_identity(old: Mapping[str, Any], spec: StudySpec) -> dict[str, Any]:
    """Returns a stored identity as this version of Paretune stores it.

    Args:
        old: The stored identity, perhaps of an earlier version of Paretune.
        spec: The study file.
    """
    current = json.loads(canonical(identity(spec)))
    old = {"order": current["order"], **_with_new_options(old, spec)}
    return _as_stored_now(old, current, spec.file.parent)


def differences(old: Mapping[str, Any], spec: StudySpec) -> list[Difference]:
    """Returns what differs between a stored study and a study file; empty for the same study.

    The order of the options of a choice counts only if nothing else differs.
    """
    current = json.loads(canonical(identity(spec)))
    changes = [Difference(*each) for each in _differences(stored_identity(old, spec), current, "")]
    return [c for c in changes if not c.key.startswith("order.")] or changes


def refuse_changes(old: Mapping[str, Any], spec: StudySpec) -> None:
    """Refuses a study file whose trials could not be compared with the stored ones.

    Raises:
        UserError: Such a thing changed; the text names the keys.
    """
    refused = [change for change in differences(old, spec) if change.is_refused]
    if not refused:
        return
    lines = difference_lines(refused)
    what = (
        f'this is the database of another study, "{old.get("study")}"'
        if old.get("study") != spec.name
        else "the study file changed in what all its trials depend on"
    )
    files = [c.key.removeprefix("content.") for c in refused if c.key.startswith("content.")]
    if files:
        lines += (
            f"\n  (The content of {', '.join(files)} changed: the study's earlier trials had other "
            "networks, which cannot be compared with new ones.)"
        )
    if any(c.key.startswith("targets.") and c.old == ABSENT for c in refused):
        lines += (
            "\n  (A new target needs another file of every trial, under another plan: the study's "
            "earlier trials would have none.)"
        )
    raise UserError(
        f"{spec.file.name}: {what}:\n{lines}\n"
        f"{_advice(spec)} Or start from nothing: {_empty_again(spec)}. (Space, "
        "objectives, constraints, goals, search and budget may change.)"
    )


def _advice(spec: StudySpec, back: str = "Change it back") -> str:
    """Returns what to do with a changed study, of a file or of sections in Python.

    Args:
        spec: The study file.
        back: What undoes the change.
    """
    other = "" if _has_own_database(spec) else " and another database in `storage:`"
    if spec.file.is_file():
        return (
            f"{back} to continue, or start another study: copy the file to NEW.yaml, with "
            f"another name in `study:`{other}, and type paretune run NEW.yaml --from "
            f"{spec.file.name}, which takes over what carries."
        )
    return (
        f'{back} to continue, or give the study another folder: folder="NEW"{other}, and '
        f'run(start_from="{spec.folder.name}") takes over what carries.'
    )


def _empty_again(spec: StudySpec) -> str:
    """Returns what to do so that the study file begins with an empty database."""
    if _has_own_database(spec):
        return f"remove {spec.folder}"
    return (
        f"name an empty database in `storage:` (or --storage), as {without_password(spec.storage)} "
        "holds that study, and a database holds one"
    )


def _has_own_database(spec: StudySpec) -> bool:
    """Returns whether the database is a file in the study's folder, so that both go together."""
    return spec.storage == storage_url("sqlite", spec.folder)


def difference_lines(changes: Sequence[Difference]) -> str:
    """Returns the first eight differences, one line each."""
    lines = [f"  {_shown(c.key)}: was {_short(c.old)}, now {_short(c.new)}" for c in changes[:8]]
    more = [f"  and {len(changes) - 8} more"] if len(changes) > 8 else []
    return "\n".join([*lines, *more])


def _as_stored_now(
    old: Mapping[str, Any], current: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """Returns an identity of an earlier version as this one stores it.

    It had no digests of files, and absolute paths of checkpoints.

    Args:
        old: The stored identity.
        current: That of the study file, as JSON.
        folder: Folder of the study file.
    """
    content = {"content": current["content"]} if "content" in current else {}
    return {**content, **_relative(old, current, folder)}


def _relative(old: Any, current: Any, folder: Path) -> Any:
    """Returns JSON with the current path of each checkpoint whose absolute path leads there."""
    if isinstance(old, Mapping) and isinstance(current, Mapping):
        return {key: _relative(value, current.get(key), folder) for key, value in old.items()}
    if isinstance(old, str) and isinstance(current, str) and Path(old).is_absolute():
        return current if Path(old).resolve() == (folder / current).resolve() else old
    return old


def refuse_other_data(spec: StudySpec, info: Mapping[str, Any], fingerprint: str) -> None:
    """Compares the data with those that the trials of a stored study were measured on.

    Args:
        spec: The study file.
        info: Facts that the database keeps; empty for a new study.
        fingerprint: Digest of the data and its split.

    Raises:
        UserError: They differ, so the trials would not be comparable.
    """
    if info.get("fingerprint") not in (None, fingerprint):
        raise UserError(
            "the data, or its split into parts, is not that of the study's earlier trials, so new "
            f"trials cannot be compared with them. {_advice(spec, 'Bring the data back')} Or start "
            f"from nothing: {_empty_again(spec)}."
        )


def _with_new_options(old: Mapping[str, Any], spec: StudySpec) -> Mapping[str, Any]:
    """Returns a stored identity with the defaults of data options that are newer than it."""
    name = spec.data.name
    if not DATASETS.accepts(name) or name not in (old.get("data") or {}):
        return old
    fields = DATASETS.get(name).Params.model_fields
    defaults = {
        key: field.get_default(call_default_factory=True)
        for key, field in fields.items()
        if key not in LOADING and not field.is_required()
    }
    completed = {**json.loads(canonical(defaults)), **old["data"][name]}
    return {**old, "data": {**old["data"], name: completed}}


def _tree(node: Node) -> Any:
    match node:
        case Fixed(value):
            return value
        case Record() | Items():
            return {key: _tree(child) for key, child in node.fields}
        case Choice(options):
            return {"choice": {label: _tree(child) for label, child in options}}
        case Float(low, high, log, step):
            return {"float": [low, high], "log": log, "step": step}
        case Int(low, high, log, step):
            return {"int": [low, high], "log": log, "step": step}


def _differences(old: Any, new: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            child = f"{path}.{key}" if path else key
            yield from _differences(old.get(key, ABSENT), new.get(key, ABSENT), child)
    elif old != new:
        yield path, old, new


def _shown(key: str) -> str:
    """Returns a key as the study file has it; the tree repeats the name of a branch's option."""
    if key.startswith("content."):
        return f"content of {key.removeprefix('content.')}"
    return re.sub(r"\bchoice\.(\w+)\.\1(?=\.|$)", r"choice.\1", key)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
