"""The section `search.racing`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from paretune.search.measuring.gauge import NEEDS_WEIGHTS
from paretune.search.study.quantity import Quantity
from paretune.search.study.raced_stage import longest_training, raced_stage
from paretune.search.study.racing_options import RacingParams
from paretune.search.study.spec import ObjectiveSpec
from paretune.search.study_file.elastic_checks import check_elastic_racing
from paretune.search.study_file.problems import Key
from paretune.search.study_file.section_reader import SectionReader
from paretune.spaces.domains import Node

KEY: Key = ("search", "racing")


class RacingReader(SectionReader):
    """Reads `search.racing`."""

    def racing(self, space: Node, objectives: Sequence[ObjectiveSpec]) -> RacingParams | None:
        """Returns the options of racing; None if every trial trains to its end."""
        section = (self.mapping("search") or {}).get("racing")
        own_trainer = "evaluate" in self.data
        if section is None:
            return None
        if not isinstance(section, Mapping):
            example = "{steps: 27}" if own_trainer else "{first: 1, eta: 3}"
            self.problems.add(KEY, f"give a mapping, {example}, not {section!r}")
            return None
        values = self.checked(RacingParams, section, KEY)
        racing = RacingParams(**values) if values else None
        if racing is not None and own_trainer:
            self._check_own_trainer(racing)
        elif racing is not None:
            self._check_built_in(racing, space, objectives)
        return racing

    def _check_own_trainer(self, racing: RacingParams) -> None:
        """Checks `steps`: only the study file can give the length of the user's training."""
        if racing.steps is None:
            self.problems.add(
                (*KEY, "steps"), "field required: how many steps a whole training reports"
            )
        elif not racing.rungs(racing.steps):
            self.problems.add(
                (*KEY, "first"),
                f"must be at most half of steps ({racing.steps}), got {racing.first}",
            )

    def _check_built_in(
        self, racing: RacingParams, space: Node, objectives: Sequence[ObjectiveSpec]
    ) -> None:
        if racing.steps is not None:
            self.problems.add(
                (*KEY, "steps"), "is for your own trainer; here the epochs of the recipes count"
            )
        if self.problems:
            return  # the space may change when they are mended
        if reason := check_elastic_racing(space):
            self.problems.add(KEY, reason)
            return
        stage = raced_stage(space)
        epochs = longest_training(space, stage)
        if not racing.rungs(epochs):
            self.problems.add(
                (*KEY, "first"),
                f"must be at most half of {stage}'s epochs ({epochs}), got {racing.first}",
            )
        costs = [Quantity.of(objective.name).entry().cost for objective in objectives]
        if objectives and max(costs) < NEEDS_WEIGHTS:
            self.problems.add(
                KEY,
                "compares what training changes, and no objective depends on training: add "
                "accuracy, or another score of the task, or leave racing out",
            )
