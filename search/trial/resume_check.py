"""Checks that a study file has not changed in what its trials depend on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from paretune.search.building.stage_keys import file_digest, sources_of
from paretune.search.data import DATASETS
from paretune.search.errors import UserError
from paretune.search.study.spec import (
    ObjectiveSpec,
    StudySpec,
    TrainerSpec,
    canonical,
    checkpoint_file,
)
from paretune.search.tasks import CLASSIFICATION
from paretune.spaces.domains import Choice, Fixed, Float, Int, Items, Node, Record, parameters

LOADING = ("workers", "pin_memory", "prefetch", "memory")
"""Options of a data set that change how it is read, but not its content."""


def identity(spec: StudySpec) -> dict[str, Any]:
    """Returns everything that the trials of a study depend on, as JSON.

    Budget, goals and storage may change between two runs.
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
        return {"runtime": {spec.runtime.name: dict(spec.runtime.params)}}
    return {
        "targets": {
            name: {selection.name: dict(selection.params)}
            for name, selection in spec.targets.items()
        }
    }


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


def refuse_changes(old: Mapping[str, Any], spec: StudySpec) -> None:
    """Compares a study file with the stored study.

    Raises:
        UserError: Something changed that its trials depend on; the text names the keys.
    """
    current = json.loads(canonical(identity(spec)))
    old = {"order": current["order"], **_with_new_options(old, spec)}
    old = _as_stored_now(old, current, spec.file.parent)
    changes = list(_differences(old, current, ""))
    changes = [c for c in changes if not c[0].startswith("order.")] or changes
    if not changes:
        return
    lines = "\n".join(
        f"  {_shown(key)}: was {_short(a)}, now {_short(b)}" for key, a, b in changes[:8]
    )
    more = f"\n  and {len(changes) - 8} more" if len(changes) > 8 else ""
    what = (
        f'this is the database of another study, "{old.get("study")}"'
        if old.get("study") != spec.name
        else "the study file changed in what its trials depend on"
    )
    files = [key.removeprefix("content.") for key, _, _ in changes if key.startswith("content.")]
    if files:
        lines += (
            f"\n  (The content of {', '.join(files)} changed: the study's earlier trials had other "
            "networks, which cannot be compared with new ones.)"
        )
    raise UserError(
        f"{spec.file.name}: {what}:\n{lines}{more}\n"
        "Change it back to continue, or start again: give the study another name and file, "
        f"--storage URL, or remove {spec.folder}. (Budget, trials and goals may change.)"
    )


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


def refuse_other_data(info: Mapping[str, Any], fingerprint: str) -> None:
    """Compares the data with those that the trials of a stored study were measured on.

    Args:
        info: Facts that the database keeps; empty for a new study.
        fingerprint: Digest of the data and its split.

    Raises:
        UserError: They differ, so the trials would not be comparable.
    """
    if info.get("fingerprint") not in (None, fingerprint):
        raise UserError(
            "the data, or its split into parts, is not that of the study's earlier trials, so new "
            "trials cannot be compared with them. Bring the data back to continue, or start again: "
            "give the study another name and file, or remove its folder"
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


_ABSENT = "absent"


def _differences(old: Any, new: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            child = f"{path}.{key}" if path else key
            yield from _differences(old.get(key, _ABSENT), new.get(key, _ABSENT), child)
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
