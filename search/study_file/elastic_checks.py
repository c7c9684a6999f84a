"""Rules between an elastic architecture and the other sections of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paretune.search.study.elastic import ELASTIC, elastic_node
from paretune.search.study.raced_stage import longest_training
from paretune.search.study_file.problems import Problems
from paretune.spaces.domains import Fixed, Node, Record


def check_elastic(
    problems: Problems,
    section: Mapping[str, Any],
    fields: Mapping[str, Node],
    teachers: Sequence[str],
) -> None:
    """Notes what does not go together with an elastic architecture.

    Args:
        problems: Collects the mistakes.
        section: The section space of the study file.
        fields: The trees of the space.
        teachers: Names of all teachers, with the one that an elastic training makes.
    """
    architecture = fields["architecture"]
    if elastic_node(architecture) is None:
        return
    if list(teachers).count(ELASTIC) > 1:
        problems.add(
            ("teachers", ELASTIC),
            "is the full network after the elastic training; give another name",
        )
    alone = isinstance(architecture, Record)
    if alone and section.get("pretrain") is not None and _is_of_baseline(section):
        problems.add(
            ("space", "pretrain"),
            "has no effect: the elastic training starts from the baseline as trial 0 has it; leave "
            "it out, or give elastic: {pretrain: ...}",
        )


def _is_of_baseline(section: Mapping[str, Any]) -> bool:
    value = section["architecture"]
    return isinstance(value, Mapping) and (value.get(ELASTIC) or {}).get("of") == "baseline"


def check_elastic_racing(space: Node) -> str:
    """Returns why trials of an elastic architecture cannot race; empty if they can."""
    fields = dict(space.fields) if isinstance(space, Record) else {}
    if elastic_node(fields.get("architecture", Fixed(None))) is None:
        return ""
    if longest_training(space, "finetune") > 0:
        return ""
    return (
        "compares trials while they train, and subnets of one elastic training share it; give "
        "space.finetune, or leave racing out"
    )
