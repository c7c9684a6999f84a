"""The objective `parameters`: the number of trainable values."""

from __future__ import annotations

from typing import Any

from paretune.objectives.base import Better, Measurement, Subject
from paretune.objectives.params import Params as Base


class Parameters:
    """Trainable values of the torch model behind the artifact; a shared one counts once."""

    name = "parameters"
    unit = "parameters"
    better: Better = "lower"
    cost = 0

    class Params(Base):
        """No options."""

    @staticmethod
    def measure(subject: Subject, params: Any, part: str) -> Measurement:
        """Counts the parameters; exact."""
        count = float(sum(p.numel() for p in subject.model.parameters()))
        return Measurement(Parameters.name, count, Parameters.unit, Parameters.better, count, count)
