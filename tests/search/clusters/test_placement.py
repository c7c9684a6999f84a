"""Workers are placed by the resources of each kind of stage."""

from __future__ import annotations

from typing import Any

import pytest

from paretune.search.clusters.placement import SLIVER, Node, placements
from paretune.search.errors import UserError
from paretune.search.study.resource_options import ResourceParams
from paretune.search.study.role import Role

GPU_BOX = Node("gpu-box.lab", "10.0.0.2", {"CPU": 16.0, "GPU": 4.0, "node:10.0.0.2": 1.0})
BENCH = Node("bench-box", "10.0.0.3", {"CPU": 4.0, "node:10.0.0.3": 1.0})


def _resources(**kinds: Any) -> ResourceParams:
    return ResourceParams.model_validate(kinds)


def test_training_goes_to_gpus_and_measuring_to_the_named_host() -> None:
    resources = _resources(train={"cpu": 4, "gpu": 1}, measure={"cpu": 1, "host": "bench-box"})
    measure, train = placements(resources, [GPU_BOX, BENCH], None)
    assert (measure.role, measure.number, measure.cpu) == (Role.MEASURE, 1, 1)
    assert measure.bound == {"node:10.0.0.3": SLIVER}
    assert (train.role, train.number, train.cpu, train.gpu) == (Role.TRAIN, 4, 4, 1)
    assert train.bound == {}


@pytest.mark.parametrize("host", ["gpu-box.lab", "gpu-box", "10.0.0.2"])
def test_host_is_named_by_its_name_or_address(host: str) -> None:
    resources = _resources(measure={"host": host})
    assert placements(resources, [GPU_BOX, BENCH], 1)[0].bound == {"node:10.0.0.2": SLIVER}


def test_host_is_named_by_a_resource_of_its_node() -> None:
    node = Node("a1b2c3", "10.0.0.4", {"CPU": 2.0, "slow board": 1.0, "node:10.0.0.4": 1.0})
    [measure, _] = placements(_resources(measure={"host": "slow board"}), [BENCH, node], 1)
    assert measure.bound == {"slow board": SLIVER}


def test_measuring_leaves_its_cores_to_no_training() -> None:
    resources = _resources(measure={"cpu": 3, "host": "bench-box"})
    assert placements(resources, [BENCH], None)[1].number == 1


def test_one_kind_of_worker_does_everything_when_no_host_is_named() -> None:
    [worker] = placements(ResourceParams(), [GPU_BOX, BENCH], None)
    assert (worker.role, worker.number) == (Role.ALL, 20)


def test_number_of_workers_may_exceed_the_nodes_that_are_there() -> None:
    [worker] = placements(_resources(train={"gpu": 1}), [BENCH], 8)
    assert worker.number == 8


def test_unknown_host_is_refused_with_the_nodes() -> None:
    with pytest.raises(UserError, match=r"called bench; its nodes: bench-box, gpu-box.lab\. Join"):
        placements(_resources(measure={"host": "bench"}), [GPU_BOX, BENCH], 1)


def test_worker_that_fits_no_node_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"no node .* 32 cores and 0 GPUs; the largest has 16 cores"
    ):
        placements(_resources(train={"cpu": 32}), [GPU_BOX, BENCH], None)
