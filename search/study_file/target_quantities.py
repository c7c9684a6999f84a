"""Quantities of a study with targets: what a name means, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paretune.search.study.quantity import Quantity, of_artifact
from paretune.search.study_file.targets import EXAMPLE
from paretune.spaces.table import nearest


class Placed:
    """Knows the targets of a study.

    Args:
        targets: Their names, in order; none in a study of one runtime.
    """

    def __init__(self, targets: Sequence[str]) -> None:
        self.targets = tuple(targets)

    def name(self, quantity: Quantity, entry: Any) -> str:
        """A quantity's full name: a plain one means the first target, where it has a target.

        Args:
            quantity: As the user wrote it.
            entry: Its objective.

        Raises:
            ValueError: It names a target that there is not, or that the quantity does not have.
        """
        if quantity.target is None:
            first = self.targets[0] if self.targets and of_artifact(entry) else None
            return quantity.at(first).name
        self._check(quantity, entry)
        return quantity.name

    def units(self, units: Mapping[str, str]) -> dict[str, str]:
        """Full name -> unit, of local names with theirs."""
        if not self.targets:
            return dict(units)
        found = {}
        for local, unit in units.items():
            quantity = Quantity.of(local)
            here = of_artifact(quantity.entry())
            for target in self.targets if here else (None,):
                found[quantity.at(target).name] = unit
        return found

    def unknown(self, name: str, known: Sequence[str]) -> str:
        """What to say of a name that nothing measures."""
        quantity = Quantity.of(name)
        locals_ = {Quantity.of(full).local for full in known}
        if ":" in name or quantity.objective in locals_:
            try:
                quantity.spec()
                self.name(quantity, quantity.entry())
            except ValueError as error:
                return str(error)
        hint = nearest(name, list(known)) or "."
        return f'unknown objective "{name}"{hint} Known: {", ".join(known)}.'

    def _check(self, quantity: Quantity, entry: Any) -> None:
        target, local = quantity.target or "", quantity.local
        if not of_artifact(entry):
            raise ValueError(f"{local} has no target, as the model alone decides it; write {local}")
        if not self.targets:
            raise ValueError(
                f'there is no target "{target}", as the study has one runtime; write {local}, or '
                f"give targets: {EXAMPLE}"
            )
        if target not in self.targets:
            hint = nearest(target, list(self.targets)) or "."
            raise ValueError(f'unknown target "{target}"{hint} Known: {", ".join(self.targets)}.')
