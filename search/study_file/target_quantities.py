"""Names of quantities in a study with targets: full names, and error texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paretune.search.study.quantity import Quantity, depends_on_artifact
from paretune.search.study_file.targets import EXAMPLE
from paretune.spaces.table import did_you_mean


class TargetQuantities:
    """Completes names of quantities by the targets of a study.

    Args:
        targets: Names of the targets, in order; empty in a study of one runtime.
    """

    def __init__(self, targets: Sequence[str]) -> None:
        self.targets = tuple(targets)

    def name(self, quantity: Quantity, entry: Any) -> str:
        """Returns a quantity's full name: `latency` means `latency@phone` of the first target.

        Args:
            quantity: The quantity as the user wrote it.
            entry: Its objective.

        Raises:
            ValueError: There is no such target, or the quantity does not depend on the target.
        """
        if quantity.target is None:
            first = self.targets[0] if self.targets and depends_on_artifact(entry) else None
            return quantity.at(first).name
        self._check(quantity, entry)
        return quantity.name

    def units(self, units: Mapping[str, str]) -> dict[str, str]:
        """Returns full name -> unit.

        Args:
            units: Name without target -> unit.
        """
        if not self.targets:
            return dict(units)
        full_units = {}
        for local, unit in units.items():
            quantity = Quantity.of(local)
            targets = self.targets if depends_on_artifact(quantity.entry()) else (None,)
            for target in targets:
                full_units[quantity.at(target).name] = unit
        return full_units

    def unknown(self, name: str, names: Sequence[str]) -> str:
        """Returns the error text for a name that is not among `names`, the full names."""
        quantity = Quantity.of(name)
        locals_ = {Quantity.of(full).local for full in names}
        if ":" in name or quantity.objective in locals_:
            try:
                quantity.spec()
                self.name(quantity, quantity.entry())
            except ValueError as error:
                return str(error)
        hint = did_you_mean(name, list(names)) or "."
        return f'unknown objective "{name}"{hint} Known: {", ".join(names)}.'

    def _check(self, quantity: Quantity, entry: Any) -> None:
        target, local = quantity.target or "", quantity.local
        if not depends_on_artifact(entry):
            raise ValueError(
                f"{local} is the same for every target, as the model alone decides it; write "
                f"{local}"
            )
        if not self.targets:
            raise ValueError(
                f'there is no target "{target}", as the study has one runtime; write {local}, or '
                f"give targets: {EXAMPLE}"
            )
        if target not in self.targets:
            hint = did_you_mean(target, list(self.targets)) or "."
            raise ValueError(f'unknown target "{target}"{hint} Known: {", ".join(self.targets)}.')
