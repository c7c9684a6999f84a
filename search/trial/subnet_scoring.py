"""Scores the subnets of an elastic network right after its training, for the sampler."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from paretune.search.building.watch import Watch
from paretune.search.study.elastic import (
    ESTIMATES,
    SubnetScore,
    drawn_subnets,
    elastic_node,
    source_key,
    subnet_key,
    subnet_of,
)
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.domains import Fixed, Record

if TYPE_CHECKING:
    from paretune.search.database.subnets import Subnets
    from paretune.search.study.plan import Plan
    from paretune.search.study.spec import StudySpec
    from paretune.search.trial.elastic_checking import ElasticChecking
    from paretune.search.trial.workbench import Workbench

STAGE = "estimate"
"""Name of the stage in a trial's times."""

EXAMPLES = 512
"""Training examples of each score: always the same ones. Validation examples choose among trials,
so they must not guide the search as well."""

AT_ONCE = 16
"""Scores between two writes; a killed run loses no more."""

_log = logging.getLogger(__name__)


class SubnetScoring:
    """Scores subnets of a study's elastic architecture.

    Args:
        workbench: The study's parts.
        subnets: Database table of the scores.
        checking: Checks the elastic training by the scores.
    """

    def __init__(self, workbench: Workbench, subnets: Subnets, checking: ElasticChecking) -> None:
        self._bench = workbench
        self._subnets = subnets
        self._checking = checking
        self._drawn = drawn_of(workbench.spec)
        self._done: set[tuple[str, str]] = set()

    def score(self, plan: Plan, watch: Watch) -> None:
        """Scores the subnet of a plan, and those that the sampler learns from.

        Does nothing for a plan without a subnet, and for subnets that have a score.

        Args:
            plan: A plan whose elastic training is in the stage cache.
            watch: Notes the time.

        Raises:
            StageError: A score cannot be computed, or no subnet is of use.
        """
        stages = plan.to_json()
        subnet, source = subnet_of(stages), source_key(stages)
        if subnet is None or source is None or not self._drawn:
            return
        stage = self._bench.pipeline.elastic_key(plan)
        wanted = {subnet_key(each): each for each in (*self._drawn, subnet)}
        if not all((stage, key) in self._done for key in wanted):
            self._score_missing(plan, wanted, stage, source, watch)
        if self._checking.is_useless(stage):
            with watch.stage(STAGE):
                self._checking.refuse(stage)

    def _score_missing(
        self,
        plan: Plan,
        wanted: Mapping[str, Mapping[str, Any]],
        stage: str,
        source: str,
        watch: Watch,
    ) -> None:
        """Scores subnets that have no score, and checks the training if that was not done."""
        with self._bench.cache.training(f"{stage}-scores"):
            stored = {score.key for score in self._subnets.scores(source) if score.stage == stage}
            missing = [each for key, each in wanted.items() if key not in stored]
            if missing:
                with watch.stage(STAGE):
                    self._score_all(plan, missing, stage, source)
            if not self._checking.is_checked(stage):
                with watch.stage(STAGE):
                    scores = self._drawn_scores(stage, source)
                    self._checking.check(plan, stage, source, scores, watch)
        self._done |= {(stage, key) for key in wanted}

    def _drawn_scores(self, stage: str, source: str) -> list[SubnetScore]:
        """Returns the scores of the subnets that every worker draws."""
        drawn = {subnet_key(subnet) for subnet in self._drawn}
        scores = self._subnets.scores(source)
        return [score for score in scores if score.stage == stage and score.key in drawn]

    def _score_all(
        self, plan: Plan, subnets: Sequence[Mapping[str, Any]], stage: str, source: str
    ) -> None:
        for some in _groups(subnets):
            begun = time.perf_counter()
            try:
                estimates = self._bench.pipeline.estimates(plan, some, EXAMPLES)
            except InfeasibleCandidate as error:  # a trial of such a subnet reports it
                _log.info("no score of %d subnets: %s", len(some), error)
                continue
            seconds = (time.perf_counter() - begun) / len(some)
            self._subnets.put(
                [
                    SubnetScore(
                        stage,
                        source,
                        params,
                        each.loss,
                        each.correct,
                        each.examples,
                        seconds,
                    )
                    for params, each in zip(some, estimates, strict=True)
                ]
            )


def _groups(subnets: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    rest = iter(subnets)
    while some := list(islice(rest, AT_ONCE)):
        yield some


def drawn_of(spec: StudySpec) -> list[dict[str, Any]]:
    """Returns the subnets that are scored before the search; empty without elastic architecture."""
    fields = dict(spec.space.fields) if isinstance(spec.space, Record) else {}
    branch = elastic_node(fields["architecture"]) if "architecture" in fields else None
    limit = dict(branch.fields).get(ESTIMATES) if branch else None
    if branch is None or not isinstance(limit, Fixed) or not limit.value:
        return []
    return drawn_subnets(branch, limit.value, spec.seed)
