"""The stages of an elastic network: trains all subnets at once, and cuts one out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from paretune.search.building.resumable_training import train_stage
from paretune.search.study.elastic import ELASTIC
from paretune.search.study.spec import digest
from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.elastic.arrangement import space_of
from paretune.spaces.elastic.arranging import arranged
from paretune.spaces.elastic.spec import ElasticSpec
from paretune.spaces.elastic.subnet import Subnet

if TYPE_CHECKING:
    from paretune.search.building.stage_cache import StageCache
    from paretune.search.building.stage_keys import Link
    from paretune.search.building.watch import Pace
    from paretune.spaces.elastic.estimates import SubnetEstimate
    from paretune.spaces.elastic.space import ElasticSpace
    from paretune.spaces.training.snapshot import Snapshot


@dataclass(frozen=True)
class ElasticNetworks:
    """A network before and after its elastic training.

    Attributes:
        source: Before.
        trained: After.
        context: Context of the training; it reports nothing.
        seconds: Seconds that the training took; None if that is not known.
    """

    source: Candidate
    trained: Candidate
    context: Context
    seconds: float | None


def train_elastic(
    cache: StageCache,
    link: Link,
    candidate: Candidate,
    context: Context,
    resume: Snapshot | None,
    pace: Pace | None,
) -> Candidate:
    """Trains a network and its subnets together.

    Args:
        cache: Keeps snapshots of the training.
        link: The stage.
        candidate: The source network.
        context: As for `train`.
        resume: Snapshot to start from.
        pace: As for `train_stage`.

    Raises:
        InfeasibleCandidate: The network has nothing that subnets could differ in, or as for
            `train`.
    """
    from paretune.spaces.elastic.lessons import elastic_context

    spec = ElasticSpec.model_validate(link.stage.params[ELASTIC])
    prepared = arranged(candidate, spec, context)
    return train_stage(cache, link, prepared, elastic_context(prepared, context), resume, pace)


def cut_out(candidate: Candidate, subnet: Mapping[str, Any], context: Context) -> Candidate:
    """Cuts a subnet out of an elastic network.

    Args:
        candidate: The elastic network.
        subnet: Width, depth and resolution.
        context: Provides training examples, for the statistics of normalization layers.

    Raises:
        InfeasibleCandidate: The candidate is not elastic.
    """
    choice = concrete_choice(space_of(candidate), subnet)
    return Subnet.apply(candidate, Subnet.Params(choice=choice), context)


def estimated(
    candidate: Candidate, subnets: Sequence[Mapping[str, Any]], context: Context, images: int
) -> list[SubnetEstimate]:
    """Returns how good subnets are before any training of their own; each choice is tried once.

    Args:
        candidate: The elastic network.
        subnets: Width, depth and resolution of each subnet.
        context: Provides training examples.
        images: Number of training examples.

    Raises:
        InfeasibleCandidate: The candidate is not elastic, or a subnet does not exist.
    """
    from paretune.spaces.elastic.estimates import estimates

    space = space_of(candidate)
    try:
        choices = [space.checked(concrete_choice(space, subnet)) for subnet in subnets]
    except ValueError as error:
        raise InfeasibleCandidate(str(error)) from None
    distinct = {tuple(choice.items()): choice for choice in choices}
    made = estimates(candidate, list(distinct.values()), context, images)
    by_choice = dict(zip(distinct, made, strict=True))
    return [by_choice[tuple(choice.items())] for choice in choices]


def outlined(
    source: Callable[[], Candidate],
    key: str,
    elastic: Mapping[str, Any],
    subnet: Mapping[str, Any],
    context: Context,
) -> Candidate | None:
    """Returns an untrained network in the shape of a subnet; None if weights decide the shape.

    The network is arranged once in a process, as that takes most of the time.

    Args:
        source: Returns the untrained source network.
        key: Equal for sources of the same structure.
        elastic: Options of the elastic network.
        subnet: Width, depth and resolution.
        context: Provides data.

    Raises:
        InfeasibleCandidate: The network has nothing that subnets could differ in.
    """
    spec = ElasticSpec.model_validate(elastic)
    if spec.depth and spec.depth.criterion != "last" and _drops_blocks(subnet):
        return None
    measured = replace_measures(spec)
    key = digest([key, measured.model_dump()])
    prepared = _arranged.pop(key, None) or arranged(source(), measured, context, check=False)
    _arranged[key] = prepared  # the latest one is the last
    for oldest in list(_arranged)[:-MOST_ARRANGED]:
        _arranged.pop(oldest, None)
    choice = concrete_choice(space_of(prepared), subnet)
    return Subnet.outline(prepared, Subnet.Params(choice=choice), context)


MOST_ARRANGED = 2
"""Untrained networks whose arrangements are kept: a study has one elastic network."""

_arranged: dict[str, Candidate] = {}


def replace_measures(spec: ElasticSpec) -> ElasticSpec:
    """Returns options whose importances need no trained weights; the shapes stay the same."""
    depth = spec.depth and spec.depth.model_copy(update={"criterion": "last"})
    return spec.model_copy(update={"criterion": "magnitude", "depth": depth})


def _drops_blocks(subnet: Mapping[str, Any]) -> bool:
    return any(share < 1 for share in _listed(subnet.get("depth", 1.0)))


def concrete_choice(space: ElasticSpace, subnet: Mapping[str, Any]) -> dict[str, float]:
    """Returns the choice of an elastic space that a subnet's parameters mean.

    Args:
        space: The dimensions of the network.
        subnet: "width" and "depth" as shares, one or one for each part of the network;
            "resolution" in pixels, or None for that of the data.

    Raises:
        InfeasibleCandidate: The network has no such dimension.
    """
    choice: dict[str, float] = {}
    for kind in ("width", "depth"):
        if kind not in subnet:
            continue
        names = [name for name in space.dimensions if name.startswith(f"{kind}.")]
        shares = _listed(subnet[kind])
        for index, name in enumerate(names):
            share = shares[index * len(shares) // len(names)]
            choice[name] = _nearest(space.dimensions[name], share)
    side = subnet.get("resolution")
    if side is not None:
        if "resolution" not in space.dimensions:
            raise InfeasibleCandidate("resolution: the network has a fixed input size")
        choice["resolution"] = side
    return choice


def _listed(value: Any) -> Sequence[float]:
    """Returns one share, or those of all parts in order."""
    if not isinstance(value, Mapping):
        return [value]
    return [value[part] for part in sorted(value, key=int)]


def _nearest(values: Sequence[float], share: float) -> float:
    """Returns the value nearest to a share of the largest; of two as near, the larger one."""
    wanted = share * values[-1]
    return min(reversed(values), key=lambda value: abs(value - wanted))


def subnet_facts(candidate: Candidate) -> dict[str, Any] | None:
    """Returns what the artifact of a subnet notes about it; None for any other candidate.

    Returns:
        "choice": dimension -> value; "parameters" and "macs": [full network, subnet].
    """
    step = next((step for step in candidate.history if step.technique == Subnet.name), None)
    if step is None:
        return None
    amounts = {key: step.info[key] for key in ("parameters", "macs") if key in step.info}
    return {"choice": dict(step.params["choice"]), **amounts}


def without_subnet(candidate: Candidate) -> Candidate:
    """Returns the candidate without the step that cut it out, to tell what pruning removed."""
    history = tuple(step for step in candidate.history if step.technique != Subnet.name)
    return replace(candidate, history=history)
