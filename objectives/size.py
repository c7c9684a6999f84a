"""Size of the artifact."""

from __future__ import annotations

from typing import Any

from objectives.base import Better, Measurement, Subject
from objectives.params import Params as Base


class Size:
    """Bytes of the file that is shipped."""

    name = "size"
    unit = "bytes"
    better: Better = "lower"
    cost = 1

    class Params(Base):
        """No options."""

    @staticmethod
    def measure(subject: Subject, params: Any, part: str) -> Measurement:
        """The file's size; exact."""
        value = float(subject.artifact.bytes)
        conditions = {"runtime": subject.runtime.name}
        return Measurement(Size.name, value, Size.unit, Size.better, value, value, 1, conditions)
