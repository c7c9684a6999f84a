"""Subnet estimates: what the sampler knows of an elastic network's subnets before their trials.

Right after an elastic training, subnets are scored on training examples
(`trial.subnet_scoring`). A score becomes a feature of every plan with the subnet, so a surrogate
learns from the first trials on how a score before finetuning relates to the objectives. Subnets
without a score get the prediction of a Gaussian process that is fitted to the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paretune.search.sampling.features import ABSENT, Params
from paretune.search.study.elastic import (
    ELASTIC,
    ESTIMATES,
    SubnetScore,
    drawn_subnets,
    elastic_node,
    source_of,
    subnet_key,
    subnet_params,
)
from paretune.spaces.domains import Fixed, Node, Record, assign

if TYPE_CHECKING:
    from paretune.search.study.spec import StudySpec

SMALLEST = 1e-6
"""Losses count as at least this: their logarithms are compared."""

LENGTH, NOISE = 0.5, 1e-3
"""Length of the process between scored subnets, in shares of width or depth, and its noise."""

ARCHITECTURE = "architecture"
"""Key of a space that may be elastic."""


class SubnetEstimates:
    """The scores of the subnets of a study, as a feature in [0, 1].

    Args:
        spec: The study; its space has an elastic architecture.
        read: `source_key` -> its scores.
    """

    def __init__(self, spec: StudySpec, read: Callable[[str], Sequence[SubnetScore]]) -> None:
        assert isinstance(spec.space, Record)
        self._node: Node = dict(spec.space.fields)[ARCHITECTURE]
        branch = elastic_node(self._node)
        assert branch is not None
        self._read = read
        fixed = {name: node.value for name, node in branch.fields if isinstance(node, Fixed)}
        self._source = source_of(branch)
        drawn = drawn_subnets(branch, int(fixed[ESTIMATES]), spec.seed)
        self._drawn = {subnet_key(subnet) for subnet in drawn}
        self._scores: dict[str, SubnetScore] = {}
        self._values: dict[str, float] = {}
        self._predict: Callable[[Mapping[str, Any]], float] | None = None

    def refresh(self) -> bool:
        """Reads scores that are new; returns whether there are any. Called between trials."""
        if len(self._scores) == len(self._drawn):
            return False
        stored = [score for score in self._read(self._source) if score.key in self._drawn]
        latest = {score.key: score for score in stored if score.stage == stored[-1].stage}
        if len(latest) == len(self._scores):
            return False
        self._scores, self._predict = latest, None
        goodness = {key: _goodness(score) for key, score in latest.items()}
        low, high = min(goodness.values()), max(goodness.values())
        self._values = {k: (v - low) / ((high - low) or 1.0) for k, v in goodness.items()}
        return True

    def __call__(self, params: Params) -> float:
        """Returns the feature of an assignment: 1 for the best score; ABSENT if there is none."""
        if not self._values or params.get(ARCHITECTURE, ELASTIC) != ELASTIC:
            return ABSENT
        chosen = assign(self._node, lambda name, domain: params[name], ARCHITECTURE)
        subnet = subnet_params(chosen[ELASTIC])
        key = subnet_key(subnet)
        if key not in self._values:
            self._values[key] = self._predicted(subnet)
        return self._values[key]

    def _predicted(self, subnet: Mapping[str, Any]) -> float:
        """Returns the feature of a subnet without a score."""
        if self._predict is None:
            scored = [(score.params, self._values[key]) for key, score in self._scores.items()]
            self._predict = _regression(scored)
        return min(1.0, max(0.0, self._predict(subnet)))


def _goodness(score: SubnetScore) -> float:
    return -math.log(max(score.loss, SMALLEST))


def _regression(
    scored: Sequence[tuple[Mapping[str, Any], float]],
) -> Callable[[Mapping[str, Any]], float]:
    """Returns a function that predicts the feature of a subnet from those of others."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, WhiteKernel

    sides = sorted({_side(params) for params, _ in scored})
    rows = np.array([_numbers(params, sides) for params, _ in scored])
    values = np.array([value for _, value in scored])
    if len(scored) < 2:
        return lambda subnet: float(values.mean())
    kernel = RBF(LENGTH) + WhiteKernel(NOISE)
    fitted = GaussianProcessRegressor(kernel, optimizer=None, normalize_y=True).fit(rows, values)
    return lambda subnet: float(fitted.predict([_numbers(subnet, sides)])[0])


def _numbers(subnet: Mapping[str, Any], sides: Sequence[float]) -> list[float]:
    """Returns widths, depths and the rank of the resolution, each in [0, 1]."""
    numbers: list[float] = []
    for kind in ("width", "depth"):
        value = subnet.get(kind, 1.0)
        numbers += value.values() if isinstance(value, Mapping) else [value]
    rank = sum(side < _side(subnet) for side in sides)
    return [*numbers, rank / max(1, len(sides) - 1)]


def _side(subnet: Mapping[str, Any]) -> float:
    return subnet.get("resolution") or math.inf
