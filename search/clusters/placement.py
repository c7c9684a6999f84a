"""Which workers a cluster runs, and where. Pure functions of its nodes and of the study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from paretune.search.errors import UserError
from paretune.search.study.resource_options import ResourceParams
from paretune.search.study.role import Role

SLIVER = 0.001
"""Share of a node's own resource that binds a worker to the node: Ray has no other address for it.

(https://docs.ray.io/en/latest/ray-core/scheduling/resources.html)"""


@dataclass(frozen=True)
class Node:
    """A living node of a cluster.

    Attributes:
        name: Its host name.
        address: Its IP address.
        resources: Resource -> amount, as Ray says it.
    """

    name: str
    address: str
    resources: Mapping[str, float]


@dataclass(frozen=True)
class Placement:
    """A kind of worker, and what Ray reserves for each.

    Attributes:
        role: The kinds of stages that it runs.
        number: Number of these workers.
        cpu: Cores; also the training threads.
        gpu: GPUs.
        bound: Ray's resource -> amount, which binds it to a host.
    """

    role: Role
    number: int
    cpu: int
    gpu: float
    bound: Mapping[str, float] = field(default_factory=dict)


def placements(
    resources: ResourceParams, nodes: Sequence[Node], workers: int | None
) -> list[Placement]:
    """Returns the workers of a run.

    Args:
        resources: What each kind of stage reserves.
        nodes: The cluster's nodes.
        workers: Number of workers that train; None for as many as the nodes hold now.

    Raises:
        UserError: No node is the host that measures, or none can hold a worker that trains.
    """
    train, measure = resources.train, resources.measure
    measuring = []
    if measure.host is not None:
        bound = host_resource(measure.host, nodes)
        measuring = [Placement(Role.MEASURE, 1, measure.cpu, measure.gpu, bound)]
    number = workers if workers is not None else _room(resources, nodes, measuring)
    if not number:
        largest = max((_amounts(node) for node in nodes), default=(0.0, 0.0))
        raise UserError(
            f"resources: no node of the cluster holds a worker of {train.cpu} cores and "
            f"{train.gpu:g} GPUs; the largest has {largest[0]:g} cores and {largest[1]:g} GPUs. "
            "Lower them, or give --workers N if the cluster adds nodes when they are asked for"
        )
    role = Role.TRAIN if measuring else Role.ALL
    return [*measuring, Placement(role, number, train.cpu, train.gpu)]


def host_resource(host: str, nodes: Sequence[Node]) -> dict[str, float]:
    """Returns the resource of Ray that only one host has.

    Args:
        host: Its name or address, or a resource that `ray start --resources` gave it.
        nodes: The cluster's nodes.

    Raises:
        UserError: No node has this name.
    """
    having = [node for node in nodes if node.resources.get(host, 0.0) >= SLIVER]
    if having:
        return {host: SLIVER}
    for node in nodes:
        if host in (node.name, node.address, node.name.partition(".")[0]):
            return {f"node:{node.address}": SLIVER}
    names = ", ".join(sorted({node.name for node in nodes})) or "none"
    raise UserError(
        f"resources.measure.host: no node of the cluster is called {host}; its nodes: {names}. "
        f"Join it on that host: ray start --address=HEAD:6379 --resources='{{\"{host}\": 1}}'"
    )


def _room(resources: ResourceParams, nodes: Sequence[Node], measuring: Sequence[Placement]) -> int:
    """Returns how many workers that train fit into the nodes, beside those that measure."""
    total = 0
    for node in nodes:
        cpu, gpu = _amounts(node)
        for each in measuring:
            if all(node.resources.get(name, 0.0) >= SLIVER for name in each.bound):
                cpu, gpu = cpu - each.cpu, gpu - each.gpu
        fits = [cpu // resources.train.cpu]
        if resources.train.gpu:
            fits.append(gpu // resources.train.gpu)
        total += max(0, int(min(fits)))
    return total


def _amounts(node: Node) -> tuple[float, float]:
    return node.resources.get("CPU", 0.0), node.resources.get("GPU", 0.0)
