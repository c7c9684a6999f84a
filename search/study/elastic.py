"""Elastic architectures in plans: one training, from which subnets are cut. Pure.

The choice `{elastic: {source, training, width, depth, resolution}}` becomes three stages:
`pretrain` of the source network, `elastic` of all its subnets at once, and `subnet`, which cuts one
out. Trials with the same source and training share both trainings in the stage cache.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paretune.search.study.spec import digest
from paretune.spaces.domains import (
    Choice,
    Domain,
    Fixed,
    Node,
    Record,
    assign,
    assignments,
    count,
)

ELASTIC = "elastic"
"""Name of the choice, kind of the stage that trains, and name of the teacher that it makes."""

SUBNET = "subnet"
"""Kind of the stage that cuts a subnet out."""

SOURCE, TRAINING, ESTIMATES = "source", "training", "estimates"
"""Keys of the choice beside what a subnet differs in: parameters of the stages `pretrain` and
`elastic`, and the number of subnets that are scored before the search."""

JsonStages = Sequence[Mapping[str, Any]]
"""A plan as JSON."""


def elastic_choice(choices: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Returns the elastic architecture among the choices of a plan; None for any other."""
    architecture = choices.get("architecture")
    if not isinstance(architecture, Mapping):
        return None
    chosen: Mapping[str, Any] | None = architecture.get(ELASTIC)
    return chosen


def elastic_stages(chosen: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Returns (kind, parameters) of the stages that an elastic choice becomes."""
    return [
        ("pretrain", dict(chosen[SOURCE])),
        (ELASTIC, dict(chosen[TRAINING])),
        (SUBNET, {SUBNET: subnet_params(chosen)}),
    ]


def subnet_params(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what the subnet of an elastic choice differs in: width, depth, resolution."""
    return {k: v for k, v in chosen.items() if k not in (SOURCE, TRAINING, ESTIMATES)}


def elastic_node(architecture: Node) -> Record | None:
    """Returns the elastic branch of the architectures of a space; None if they have none."""
    return next((node for name, node in _branches(architecture) if name == ELASTIC), None)


def _branches(node: Node) -> Iterator[tuple[str, Record]]:
    match node:
        case Choice(options):
            for _, child in options:
                yield from _branches(child)
        case Record(((name, Record() as record),)):
            yield name, record


def with_sources(architecture: Node) -> Node:
    """Returns the architectures of a space; an elastic one is replaced by its source network."""
    match architecture:
        case Choice(options):
            return Choice(tuple((label, with_sources(child)) for label, child in options))
        case Record(((name, Record(fields)),)) if name == ELASTIC:
            source = dict(fields)[SOURCE]
            assert isinstance(source, Fixed)
            return Fixed(source.value["architecture"])
        case _:
            return architecture


def drawn_subnets(branch: Record, limit: int, seed: int) -> list[dict[str, Any]]:
    """Returns the parameters of all subnets of a branch, or of `limit` different ones.

    Args:
        branch: The elastic branch of a space.
        limit: Largest number of subnets.
        seed: The same seed gives the same subnets; the smallest and the largest are among them.
    """
    differing = Record(
        tuple((n, node) for n, node in branch.fields if n not in (SOURCE, TRAINING, ESTIMATES))
    )
    if count(differing) <= limit:
        return [assign(differing, _looked_up(each)) for each in assignments(differing)]
    generator = random.Random(seed)
    drawn = {
        subnet_key(subnet): subnet
        for subnet in (assign(differing, _first), assign(differing, _last))[:limit]
    }
    while len(drawn) < limit:
        subnet = assign(differing, lambda name, domain: generator.choice(_values(domain)))
        drawn.setdefault(subnet_key(subnet), subnet)
    return list(drawn.values())


def _looked_up(assignment: Mapping[str, Any]) -> Callable[[str, Domain], Any]:
    return lambda name, domain: assignment[name]


def _values(domain: Domain) -> Sequence[Any]:
    return domain.labels if isinstance(domain, Choice) else domain.values()


def _first(name: str, domain: Domain) -> Any:
    return _values(domain)[0]


def _last(name: str, domain: Domain) -> Any:
    return _values(domain)[-1]


def only_source(architecture: Node) -> str | None:
    """Returns the `source_key` of a space that has no other architecture; else None."""
    branch = elastic_node(architecture)
    if branch is None or not isinstance(architecture, Record):
        return None
    return source_of(branch)


def source_of(branch: Record) -> str:
    """Returns the `source_key` of all plans of an elastic branch."""
    fixed = {name: node.value for name, node in branch.fields if isinstance(node, Fixed)}
    key = source_key([{"kind": kind, "params": params} for kind, params in elastic_stages(fixed)])
    assert key is not None
    return key


def teacher_description(architecture: Node) -> dict[str, Any] | None:
    """Returns the full network after the elastic training as a teacher; None without one."""
    branch = elastic_node(architecture)
    if branch is None:
        return None
    fields = {name: node.value for name, node in branch.fields if isinstance(node, Fixed)}
    return {
        "stages": [
            {"kind": "pretrain", "params": dict(fields[SOURCE])},
            {"kind": ELASTIC, "params": dict(fields[TRAINING])},
        ]
    }


def priced_network(choices: Mapping[str, Any]) -> str:
    """Returns what is equal for choices whose costs of training follow from one count."""
    chosen = elastic_choice(choices)
    return str(chosen[SOURCE] if chosen else choices.get("architecture"))


def subnet_share(subnet: Mapping[str, Any]) -> float:
    """Returns about which share of the full network's work a subnet does, of its widths alone.

    The work of a convolution grows with the square of the width and in proportion to the depth.
    """
    return _mean(subnet.get("width", 1.0)) ** 2 * _mean(subnet.get("depth", 1.0))


def subnets_per_step(elastic: Mapping[str, Any]) -> float:
    """Returns the work of a step of the elastic training, in steps of the full network.

    The full network and the smallest subnet are trained in each step, and random ones between.
    """
    widths, depth = elastic.get("width") or [1.0], elastic.get("depth") or {"least": 1.0}
    smallest = subnet_share({"width": widths[0], "depth": depth["least"]})
    return 1.0 + smallest + float(elastic["random"]) * (1.0 + smallest) / 2


def _mean(value: Any) -> float:
    shares = list(value.values()) if isinstance(value, Mapping) else [value]
    return float(sum(shares)) / len(shares)


def is_full(subnet: Mapping[str, Any]) -> bool:
    """Returns whether a subnet keeps the widths, depths and resolution of the full network."""
    shares = [subnet.get(kind, 1.0) for kind in ("width", "depth")]
    return all(_mean(share) == 1 for share in shares) and subnet.get("resolution") is None


def source_key(plan: JsonStages) -> str | None:
    """Returns a digest of the stages up to the elastic training; None for a plan without one.

    Plans with the same digest cut their subnets out of the same trained network.
    """
    kinds = [stage["kind"] for stage in plan]
    if ELASTIC not in kinds:
        return None
    return digest([dict(stage) for stage in plan[: kinds.index(ELASTIC) + 1]])[:32]


def subnet_of(plan: JsonStages) -> Mapping[str, Any] | None:
    """Returns the parameters of the subnet that a plan cuts out; None if it cuts none."""
    for stage in plan:
        if stage["kind"] == SUBNET:
            return dict(stage["params"][SUBNET])
    return None


def subnet_key(subnet: Mapping[str, Any]) -> str:
    """Returns the digest of a subnet's parameters."""
    return digest(dict(subnet))[:32]


@dataclass(frozen=True)
class SubnetScore:
    """How good a subnet is before its finetuning, on training examples.

    Attributes:
        stage: Key of the elastic training.
        lineage: `source_key` of the plans with this training.
        params: Width, depth and resolution.
        loss: Mean of the task's loss.
        correct: Share of correct examples; None if the task has no such number.
        examples: Number of training examples.
        seconds: Seconds that it took.
    """

    stage: str
    lineage: str
    params: Mapping[str, Any]
    loss: float
    correct: float | None
    examples: int
    seconds: float

    @property
    def key(self) -> str:
        """Digest of the subnet's parameters."""
        return subnet_key(self.params)
