"""Which trials of earlier versions lie in the present space, and with which parameters."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from paretune.search.changing.inverse import choices_of, contains, params_of
from paretune.search.database.base import Row
from paretune.search.study.plan import Plan
from paretune.search.study.spec import StudySpec
from paretune.search.study.version import StudyVersion
from paretune.spaces.domains import Choice, Domain, Float, Int, assign, parameters

PlanOf = Callable[[Mapping[str, Any]], Plan]
"""The choices of a space -> their plan."""


class Belonging:
    """Finds earlier trials in the space of a study.

    A trial lies in the space if some parameters there give its plan.

    Args:
        spec: The study, in its present version.
        versions: All its versions, the present one included.
        plan: Returns the plan of choices.
        flat: Whether the sampler learns only over parameters that every trial has.
    """

    def __init__(
        self, spec: StudySpec, versions: Sequence[StudyVersion], plan: PlanOf, flat: bool = False
    ) -> None:
        self._space = spec.space
        self._seed = spec.seed
        self._plan = plan
        self._flat = flat
        self._spaces = {version.number: version.identity["space"] for version in versions}
        self._domains = {p.name: p.domain for p in parameters(spec.space)}

    def params(
        self, version: int, params: Mapping[str, Any], plan: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any] | None:
        """Returns the parameters of a trial in the present space; None if it lies outside.

        Args:
            version: The version that it began under.
            params: Its parameters there.
            plan: Its plan as JSON.
        """
        try:
            choices = choices_of(self._spaces[version], params)
        except KeyError:
            return None
        present = params_of(choices, self._space)
        if present is None:
            return None
        return present if self._gives(present, plan) else None

    def proposal(
        self, version: int, row: Mapping[str, Any] | Row, present: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Returns the proposal of a trial, as the sampler would have made it in this space.

        A flat sampler also learns from parameters without effect. Those keep their values where
        the space still has them; any other is drawn, as the sampler would have done.

        Args:
            version: The version that the trial began under.
            row: Its "number" and "proposal".
            present: Its parameters in the present space.
        """
        suggested = dict(present)
        if self._flat:
            earlier = row["proposal"]["params"]
            draw = random.Random(f"{self._seed}:{version}:{row['number']}")
            for name, domain in self._domains.items():
                if name not in suggested:
                    kept = name in earlier and contains(domain, earlier[name])
                    suggested[name] = earlier[name] if kept else _drawn(domain, draw)
        return {**row["proposal"], "params": suggested}

    def _gives(self, params: Mapping[str, Any], plan: Sequence[Mapping[str, Any]]) -> bool:
        choices = assign(self._space, lambda name, _: params[name])
        return self._plan(choices).to_json() == list(plan)


def _drawn(domain: Domain, draw: random.Random) -> Any:
    """Returns a value of a domain at random."""
    match domain:
        case Choice():
            return draw.choice(domain.labels)
        case Int(low, high, _, step):
            return low + step * draw.randrange((high - low) // step + 1)
        case Float(low, high, _, step):
            if step is None:
                return draw.uniform(low, high)
            return draw.choice(domain.values())
