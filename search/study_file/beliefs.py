"""The sections `first` and `prior`: plans to try first, and values that are probably good."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from paretune.search.study.beliefs import (
    WITHOUT_PRIOR,
    Belief,
    number_belief,
    option_belief,
)
from paretune.search.study.partial_assignment import (
    AssignmentError,
    Keys,
    SpaceNames,
    TypedValue,
    domain_value,
    flat_values,
)
from paretune.search.study.spec import Selection
from paretune.search.study_file.section_reader import SectionReader
from paretune.spaces.domains import Choice, Node

FIRST_EXAMPLE = "first: [{pruning: {structured: {ratio: 0.4}}, quantization: static}]"
PRIOR_EXAMPLE = "prior: {pruning.structured.ratio: 0.4 +- 0.1, quantization: static}"


class BeliefReader(SectionReader):
    """Reads `first` and `prior`."""

    def first(self, space: Node) -> tuple[Mapping[str, Any], ...]:
        """Reads the plans to try first: parameter name -> value, of those that each one decides."""
        section = self.data.get("first")
        if section is None:
            return ()
        if not isinstance(section, list):
            self.problems.add(("first",), f"give a list of plans: {FIRST_EXAMPLE}")
            return ()
        names = SpaceNames(space)
        plans: list[Mapping[str, Any]] = []
        for index, entry in enumerate(section):
            key = ("first", str(index))
            if not isinstance(entry, Mapping) or not entry:
                self.problems.add(key, f"give values of parameters: {FIRST_EXAMPLE}")
                continue
            try:
                plans.append(names.assignment(entry))
            except AssignmentError as error:
                self.problems.add((*key, *error.path), str(error))
        return tuple(plans)

    def prior(self, space: Node, sampler: Selection) -> dict[str, Belief]:
        """Reads the beliefs: parameter name -> where its good values probably are."""
        section = self.mapping("prior")
        if not section:
            return {}
        if sampler.name in WITHOUT_PRIOR:
            self.problems.add(
                ("prior",),
                f"the sampler {sampler.name} {WITHOUT_PRIOR[sampler.name]}; leave prior out, or "
                "take another sampler: auto",
            )
        names = SpaceNames(space)
        beliefs: dict[str, Belief] = {}
        for typed in _beliefs(section, names):
            try:
                if typed.name in beliefs:
                    raise AssignmentError(typed.path, "is given twice; keep one of them")
                beliefs[typed.name] = _belief(typed, names)
            except AssignmentError as error:
                self.problems.add(("prior", *error.path), str(error))
        return beliefs


def _beliefs(
    section: Mapping[str, Any], names: SpaceNames, path: Keys = ()
) -> Iterator[TypedValue]:
    """Yields the beliefs in nested mappings; the weights of a choice's options are one belief."""
    for key, value in section.items():
        steps = (*path, str(key))
        name = ".".join(steps)
        weights = isinstance(names.domains.get(name), Choice) and _are_weights(value)
        if isinstance(value, Mapping) and value and not weights:
            yield from _beliefs(value, names, steps)
        else:
            yield TypedValue(name, steps, value)


def _are_weights(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        not isinstance(weight, Mapping | str) for weight in value.values()
    )


def _belief(typed: TypedValue, names: SpaceNames) -> Belief:
    """Returns a belief.

    Raises:
        AssignmentError: It names no parameter of the space, or does not fit its domain.
    """
    names.entries(typed)  # refuses a name that the space does not have
    domain = names.domains.get(typed.name)
    if domain is None:
        raise AssignmentError(
            typed.path, "is not searched: the space has a fixed value there; leave it out"
        )
    if isinstance(domain, Choice):
        return option_belief(_weights(typed, domain), domain)
    try:
        return number_belief(typed.value, domain)
    except ValueError as error:
        raise AssignmentError(typed.path, str(error)) from error


def _weights(typed: TypedValue, domain: Choice) -> dict[str, float]:
    """Returns label -> weight, of an option or of weights of several."""
    if not isinstance(typed.value, Mapping):
        return {domain_value(domain, typed.value, typed.path): 1.0}
    weights: dict[str, float] = {}
    for leaf in flat_values(typed.value, typed.path):
        is_number = isinstance(leaf.value, int | float) and not isinstance(leaf.value, bool)
        if not is_number or not 0 <= leaf.value < math.inf:
            raise AssignmentError(
                leaf.path, f"give a weight of at least 0, such as 3, not {leaf.value!r}"
            )
        weights[domain_value(domain, leaf.path[-1], leaf.path)] = float(leaf.value)
    if not sum(weights.values()):
        raise AssignmentError(typed.path, "give at least one option a weight above 0")
    return weights
