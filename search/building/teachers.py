"""Teachers: the networks that distillation learns from, each built once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from paretune.search.building.stage_cache import StageCache
from paretune.search.building.stage_keys import StageIdentity
from paretune.search.building.watch import StageError, Watch, WeightsError
from paretune.search.study.plan import Plan
from paretune.search.study.spec import canonical, digest
from paretune.search.study.stage import Stage
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.distillation.teacher_average import TeacherAverage
from paretune.task import Task

if TYPE_CHECKING:
    import torch

    from paretune.spaces.base import Candidate

Described = Mapping[str, Any] | None
"""The parameters of a pretrain stage, {"stages": a plan as JSON}, {"average": [of such]}, or None
for the baseline."""


def teacher_plan(described: Mapping[str, Any]) -> Plan:
    """Returns the plan that makes one teacher, which is no average."""
    if "stages" in described:
        return Plan.from_json(described["stages"])
    return Plan((Stage("pretrain", described),))


class Teachers:
    """Builds the teachers that plans describe.

    A teacher is a plan of one stage. So the stage cache keeps it like any pretrained network, and
    it is trained once for all trials and workers.

    Args:
        baseline: Plan of the teacher with the description None.
        identity: Plan -> identity of its candidate.
        build: Plan -> candidate.
        cache: Keeps the teachers' logits.
        task: Tells how the outputs of several teachers are averaged.
    """

    def __init__(
        self,
        baseline: Plan,
        identity: Callable[[Plan], StageIdentity],
        build: Callable[[Plan, Watch], Candidate],
        cache: StageCache,
        task: Task,
    ) -> None:
        self._task = task
        self._baseline = baseline
        self._identity = identity
        self._build = build
        self._cache = cache
        self._identities: dict[str, StageIdentity] = {}
        self._models: dict[str, torch.nn.Module] = {}
        self._seconds: dict[str, float] = {}
        self._logits: dict[str, torch.Tensor] = {}

    def key(self, described: Described) -> str:
        """Returns the digest of everything that a teacher's weights depend on."""
        return self.identity(described).key

    def identity(self, described: Described) -> StageIdentity:
        """Returns what a teacher's key is made of."""
        text = canonical(described)
        if text not in self._identities:  # a checkpoint file is read as a whole
            if described and "average" in described:
                members = [self.identity(member) for member in described["average"]]
                plain = digest(["average", [member.plain for member in members]])[:32]
                code = {name: each for member in members for name, each in member.code.items()}
                self._identities[text] = StageIdentity(plain, code)
            else:
                self._identities[text] = self._identity(self._plan(described))
        return self._identities[text]

    def ready(self, described: Described) -> bool:
        """Returns whether the teacher is in memory."""
        return self.key(described) in self._models

    def model(self, described: Described, watch: Watch) -> torch.nn.Module:
        """Returns the teacher in evaluation mode.

        Raises:
            InfeasibleCandidate: The network cannot be built for these data.
            StageError: It cannot be built for another reason.
        """
        key = self.key(described)
        if key not in self._models:
            if described and "average" in described:
                members = [self.model(member, watch) for member in described["average"]]
                average = TeacherAverage(members, self._task.class_scores, self._task.outputs.per)
                self._models[key] = average.eval()
            else:
                self._models[key] = self._build_plan(key, self._plan(described), watch)
        return self._models[key]

    def seconds(self, described: Described) -> float:
        """Returns the seconds that a loaded teacher took to make; NaN if they are unknown."""
        if described and "average" in described:
            members = {self.key(member): member for member in described["average"]}
            return math.fsum(self.seconds(member) for member in members.values())
        return self._seconds[self.key(described)]

    def logits(self, described: Described, make: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Returns the teacher's logits on the training part, [N, classes]; computed once."""
        key = self.key(described)
        if key not in self._logits:
            self._logits[key] = self._cache.tensor(f"{key}.logits", make)
        return self._logits[key]

    def _plan(self, described: Described) -> Plan:
        return teacher_plan(described) if described else self._baseline

    def _build_plan(self, key: str, plan: Plan, watch: Watch) -> torch.nn.Module:
        inner = Watch(epoch=watch.epoch)
        try:
            model = self._build(plan, inner).model.eval()
        except WeightsError as error:
            raise WeightsError(f"a teacher: {error}") from error
        except StageError as error:
            if error.infeasible:
                raise InfeasibleCandidate(f"the teacher: {error.text}") from error
            raise
        self._seconds[key] = math.fsum(inner.stage_seconds.values())
        return model
