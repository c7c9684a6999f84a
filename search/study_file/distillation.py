"""Whether a space's distillation has a teacher, and a stage that can learn from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from paretune.search.study_file.input_kinds import named
from paretune.search.study_file.networks import unknown_teacher
from paretune.search.study_file.problems import Key, Problems
from paretune.spaces.distillation.base import BASELINE, STAGES
from paretune.spaces.domains import Choice, Fixed, Node, Record
from paretune.spaces.pruning import PRUNINGS
from paretune.spaces.quantization import QUANTIZATIONS
from paretune.spaces.table import Table

KEY = ("space", "distillation")

GIVES = {
    "pretrain": "space.pretrain",
    "prune": "a pruning that trains",
    "finetune": "space.finetune",
    "quantize": "a quantization that trains",
}
"""Stage -> what makes it train."""


def check_distillation(
    problems: Problems, given: Any, fields: Mapping[str, Node], teachers: Sequence[str]
) -> None:
    """Notes unknown teachers, and losses that no stage would take.

    Args:
        problems: Where mistakes are noted.
        given: The section space.distillation as it was written.
        fields: The trees of the space.
        teachers: Names from the section teachers.
    """
    known = [BASELINE, *teachers]
    for key, name in named_teachers(given):
        if isinstance(name, str) and name not in known:
            problems.add(key, unknown_teacher(name, known))
    training = training_stages(fields)
    for name, stages in taught(fields["distillation"]):
        if not training & set(stages):
            needs = " or ".join(GIVES[stage] for stage in GIVES if stage in stages)
            which = "that stage" if len(stages) == 1 else "these stages"
            problems.add(KEY, f"{name} needs {needs}: it is a loss of {which}")


def taught(node: Node) -> Iterator[tuple[str, list[str]]]:
    """Each distillation that a tree can lead to, with the stages that may learn from it."""
    match node:
        case Choice(options):
            for _, child in options:
                yield from taught(child)
        case Record(((name, Record(fields)),)) if name != "none":
            stages = dict(fields).get("stages", Fixed(list(STAGES)))
            yield name, list(dict.fromkeys(_listed(stages)))


def training_stages(fields: Mapping[str, Node]) -> set[str]:
    """The stages of a space that may train."""
    found = {stage for stage in ("pretrain", "finetune") if fields[stage] != Fixed(None)}
    tables = (("prune", "pruning", PRUNINGS), ("quantize", "quantization", QUANTIZATIONS))
    for stage, key, table in tables:
        if any(_may_train(table, name) for name in named(fields[key])):
            found.add(stage)
    return found


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


def named_teachers(given: Any, key: Key = KEY) -> Iterator[tuple[Key, Any]]:
    """Every name that stands for a teacher in space.distillation, with its key."""
    if isinstance(given, list):
        for index, item in enumerate(given):
            yield from named_teachers(item, (*key, str(index)))
    if not isinstance(given, Mapping):
        return
    for name, value in given.items():
        where = (*key, str(name))
        if name != "teacher":
            yield from named_teachers(value, where)
        elif isinstance(value, Mapping) and isinstance(value.get("choice"), list):
            for index, item in enumerate(value["choice"]):
                yield (*where, "choice", str(index)), item
        else:
            yield where, value
