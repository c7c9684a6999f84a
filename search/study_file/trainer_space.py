"""The section `space` for the user's own trainer: any keys, with literals, domains and branches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paretune.search.study_file.problems import Key, Problems
from paretune.search.study_file.space import DOMAINS, SpaceReader, is_domain
from paretune.spaces.domains import Choice, Fixed, Node, Record, label_of, parameters


class TrainerSpaceReader:
    """Reads a space with keys that only the user's trainer understands.

    `lr: {float: [1e-4, 1e-1], log: true}` is a number. `cell: {choice: [a, b]}` is one of these
    values. `optimizer: {choice: {sgd: {momentum: ...}, adam: {}}}` is a branch, which the plan has
    as `{sgd: {momentum: ...}}`. Any other mapping is a group of keys, any other value a literal.

    Args:
        problems: Collects the mistakes.
    """

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._reader = SpaceReader(problems)

    def space(self, section: Mapping[str, Any] | None) -> Node:
        """Reads the section `space`."""
        if section is None:
            self._problems.add(
                ("space",), "is missing; give what your trainer takes: {lr: {float: [0.001, 0.1]}}"
            )
            return Fixed(None)
        space = self._group(section, ("space",))
        names = [p.name for p in parameters(space)]
        for name in dict.fromkeys(name for name in names if names.count(name) > 1):
            self._problems.add(
                ("space",), f"two parameters are called {name}; give one of them another name"
            )
        return space

    def _group(self, value: Mapping[str, Any], key: Key) -> Record:
        return Record(
            tuple((name, self._node(child, (*key, name))) for name, child in value.items())
        )

    def _node(self, value: Any, key: Key) -> Node:
        if not isinstance(value, Mapping):
            return Fixed(value)
        if not is_domain(value):
            return self._group(value, key)
        options = value.get("choice")
        branches = isinstance(options, Mapping) or (
            isinstance(options, list) and any(isinstance(item, Mapping) for item in options)
        )
        if not branches or sum(kind in value for kind in DOMAINS) > 1:
            return self._reader.free_domain(value, key)
        for extra in [name for name in value if name != "choice"]:
            self._problems.unknown_key((*key, str(extra)), ["choice"], "choice")
        return self._branches(options, (*key, "choice"))

    def _branches(self, options: Any, key: Key) -> Node:
        branches: list[tuple[str, Node]] = []
        if isinstance(options, Mapping):
            for name, child in options.items():
                branches.append(self._branch(name, child, (*key, name)))
        else:
            for index, item in enumerate(options):
                path = (*key, str(index))
                if isinstance(item, Mapping) and len(item) == 1 and not is_domain(item):
                    [(name, child)] = item.items()
                    branches.append(self._branch(name, child, (*path, name)))
                else:
                    branches.append((label_of(item), self._node(item, path)))
        labels = [label for label, _ in branches]
        if not labels:
            self._problems.add(key, "an empty choice; give at least one option")
            return Fixed(None)
        for label in dict.fromkeys(x for x in labels if labels.count(x) > 1):
            self._problems.add(key, f'the option "{label}" occurs twice')
        return Choice(tuple(branches))

    def _branch(self, name: str, value: Any, key: Key) -> tuple[str, Node]:
        """Reads an option with its parameters, as {name: parameters}."""
        child = self._node({} if value is None else value, key)
        return name, Record(((name, child),))
