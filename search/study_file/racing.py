"""How trials race: `search: {racing: {...}}`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from paretune.search.measuring.gauge import NEEDS_WEIGHTS
from paretune.search.study.quantity import Quantity
from paretune.search.study.raced_stage import longest, raced_stage
from paretune.search.study.racing_options import RacingParams
from paretune.search.study.spec import ObjectiveSpec
from paretune.search.study_file.problems import Key
from paretune.search.study_file.section_reader import SectionReader
from paretune.spaces.domains import Node

KEY: Key = ("search", "racing")


class RaceReader(SectionReader):
    """Reads `search.racing`."""

    def racing(self, space: Node, objectives: Sequence[ObjectiveSpec]) -> RacingParams | None:
        """How the trials race; None where each trains to its end."""
        given, own = (self.mapping("search") or {}).get("racing"), "evaluate" in self.data
        if given is None:
            return None
        if not isinstance(given, Mapping):
            such = "{steps: 27}" if own else "{first: 1, eta: 3}"
            self.problems.add(KEY, f"give a mapping, {such}, not {given!r}")
            return None
        checked = self.plain(RacingParams, given, KEY)
        racing = RacingParams(**checked) if checked else None
        if racing is not None and own:
            self._own(racing)
        elif racing is not None:
            self._built_in(racing, space, objectives)
        return racing

    def _own(self, racing: RacingParams) -> None:
        """Of a trainer of the user's: nobody but the study file knows how long it trains."""
        if racing.steps is None:
            self.problems.add(
                (*KEY, "steps"), "field required: how many steps a whole training reports"
            )
        elif not racing.rungs(racing.steps):
            self.problems.add(
                (*KEY, "first"),
                f"must be at most half of steps ({racing.steps}), got {racing.first}",
            )

    def _built_in(
        self, racing: RacingParams, space: Node, objectives: Sequence[ObjectiveSpec]
    ) -> None:
        if racing.steps is not None:
            self.problems.add(
                (*KEY, "steps"), "is for a trainer of your own; here the recipes' epochs say it"
            )
        if self.problems:
            return  # the space may be another one when they are mended
        stage = raced_stage(space)
        epochs = longest(space, stage)
        if not racing.rungs(epochs):
            self.problems.add(
                (*KEY, "first"),
                f"must be at most half of {stage}'s epochs ({epochs}), got {racing.first}",
            )
        costs = [Quantity.of(objective.name).entry().cost for objective in objectives]
        if objectives and max(costs) < NEEDS_WEIGHTS:
            self.problems.add(
                KEY,
                "compares what training changes, and no objective is of that kind: add accuracy, "
                "or leave racing out",
            )
