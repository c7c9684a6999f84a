"""Teachers: the networks that distillation learns from, each built once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from paretune.search.building.stage_cache import StageCache
from paretune.search.building.watch import StageError, Watch
from paretune.search.study.plan import Plan
from paretune.search.study.spec import canonical, digest
from paretune.search.study.stage import Stage
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.distillation.teacher_average import TeacherAverage

if TYPE_CHECKING:
    import torch

    from paretune.spaces.base import Candidate

Described = Mapping[str, Any] | None
"""The parameters of a pretrain stage, {"average": [of such]}, or None for the baseline."""


class Teachers:
    """Builds teachers as plans describe them.

    A teacher is a plan of one stage, so that it lies in the stage cache like any pretrained network
    and is trained once for all trials and workers.

    Args:
        baseline: The plan of the teacher where a description is None.
        key: Digest of all that a plan's candidate depends on.
        build: The candidate of a plan.
        cache: Where their logits are kept.
    """

    def __init__(
        self,
        baseline: Plan,
        key: Callable[[Plan], str],
        build: Callable[[Plan, Watch], Candidate],
        cache: StageCache,
    ) -> None:
        self._baseline = baseline
        self._key = key
        self._build = build
        self._cache = cache
        self._keys: dict[str, str] = {}
        self._models: dict[str, torch.nn.Module] = {}
        self._seconds: dict[str, float] = {}
        self._answers: dict[str, torch.Tensor] = {}

    def key(self, described: Described) -> str:
        """Digest of all that a teacher's weights depend on."""
        text = canonical(described)
        if text not in self._keys:  # a checkpoint is read as a whole for it
            if described and "average" in described:
                members = [self.key(member) for member in described["average"]]
                self._keys[text] = digest(["average", members])[:32]
            else:
                self._keys[text] = self._key(self._plan(described))
        return self._keys[text]

    def ready(self, described: Described) -> bool:
        """Whether the teacher is at hand without any work."""
        return self.key(described) in self._models

    def model(self, described: Described, watch: Watch) -> torch.nn.Module:
        """The teacher in evaluation mode.

        Raises:
            InfeasibleCandidate: There is no such network for these data.
            StageError: It cannot be made for another reason.
        """
        key = self.key(described)
        if key not in self._models:
            if described and "average" in described:
                members = [self.model(member, watch) for member in described["average"]]
                self._models[key] = TeacherAverage(members).eval()
            else:
                self._models[key] = self._made(key, self._plan(described), watch)
        return self._models[key]

    def seconds(self, described: Described) -> float:
        """What a teacher at hand took to make, in all, by whomever; NaN where nobody noted it."""
        if described and "average" in described:
            members = {self.key(member): member for member in described["average"]}
            return math.fsum(self.seconds(member) for member in members.values())
        return self._seconds[self.key(described)]

    def answers(self, described: Described, make: Callable[[], torch.Tensor]) -> torch.Tensor:
        """What the teacher says to the training part, [N, classes]: computed once, then kept."""
        key = self.key(described)
        if key not in self._answers:
            self._answers[key] = self._cache.tensor(f"{key}.logits", make)
        return self._answers[key]

    def _plan(self, described: Described) -> Plan:
        return Plan((Stage("pretrain", described),)) if described else self._baseline

    def _made(self, key: str, plan: Plan, watch: Watch) -> torch.nn.Module:
        own = Watch(epoch=watch.epoch)
        try:
            model = self._build(plan, own).model.eval()
        except StageError as error:
            if error.infeasible:
                raise InfeasibleCandidate(f"the teacher: {error.text}") from error
            raise
        self._seconds[key] = math.fsum(own.made.values())
        return model
