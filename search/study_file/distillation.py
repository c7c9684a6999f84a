"""Checks that a space's distillation has a teacher, and a stage that can learn from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from paretune.search.study_file.networks import unknown_teacher
from paretune.search.study_file.option_names import option_names
from paretune.search.study_file.problems import Key, Problems
from paretune.spaces.distillation.base import BASELINE, STAGES
from paretune.spaces.domains import Choice, Fixed, Node, Record
from paretune.spaces.pruning import PRUNINGS
from paretune.spaces.quantization import QUANTIZATIONS
from paretune.spaces.table import Table

KEY = ("space", "distillation")

TRAINED_BY = {
    "pretrain": "space.pretrain",
    "prune": "a pruning that trains",
    "finetune": "space.finetune",
    "quantize": "a quantization that trains",
}
"""Stage -> what makes it train."""


def check_distillation(
    problems: Problems, section: Any, fields: Mapping[str, Node], teachers: Sequence[str]
) -> None:
    """Notes unknown teachers, and losses that no stage would use.

    Args:
        problems: Collects the mistakes.
        section: The section space.distillation of the study file.
        fields: The trees of the space.
        teachers: Names from the section teachers.
    """
    names = [BASELINE, *teachers]
    for key, name in teacher_names(section):
        if isinstance(name, str) and name not in names:
            problems.add(key, unknown_teacher(name, names))
    training = training_stages(fields)
    for name, stages in learning_stages(fields["distillation"]):
        if not training & set(stages):
            needs = " or ".join(TRAINED_BY[stage] for stage in TRAINED_BY if stage in stages)
            which = "that stage" if len(stages) == 1 else "these stages"
            problems.add(KEY, f"{name} needs {needs}: it is a loss of {which}")


def learning_stages(node: Node) -> Iterator[tuple[str, list[str]]]:
    """Yields each distillation that a tree can lead to, with the stages that may learn from it."""
    match node:
        case Choice(options):
            for _, child in options:
                yield from learning_stages(child)
        case Record(((name, Record(fields)),)) if name != "none":
            stages = dict(fields).get("stages", Fixed(list(STAGES)))
            yield name, list(dict.fromkeys(_listed(stages)))


def training_stages(fields: Mapping[str, Node]) -> set[str]:
    """Returns the stages of a space that may train."""
    stages = {stage for stage in ("pretrain", "finetune") if fields[stage] != Fixed(None)}
    tables = (("prune", "pruning", PRUNINGS), ("quantize", "quantization", QUANTIZATIONS))
    for stage, key, table in tables:
        if any(_may_train(table, name) for name in option_names(fields[key])):
            stages.add(stage)
    return stages


def _may_train(table: Table, name: str) -> bool:
    try:
        return hasattr(table.get(name), "trains")
    except ValueError:  # noted already
        return False


def _listed(node: Node) -> Iterator[str]:
    match node:
        case Choice(options):
            for _, child in options:
                yield from _listed(child)
        case Fixed(value) if isinstance(value, list):
            yield from (str(stage) for stage in value)


def teacher_names(section: Any, key: Key = KEY) -> Iterator[tuple[Key, Any]]:
    """Yields the key and the name of every teacher in space.distillation."""
    if isinstance(section, list):
        for index, item in enumerate(section):
            yield from teacher_names(item, (*key, str(index)))
    if not isinstance(section, Mapping):
        return
    for name, value in section.items():
        path = (*key, str(name))
        if name != "teacher":
            yield from teacher_names(value, path)
        elif isinstance(value, Mapping) and isinstance(value.get("choice"), list):
            for index, item in enumerate(value["choice"]):
                yield (*path, "choice", str(index)), item
        else:
            yield path, value
