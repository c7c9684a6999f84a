"""No distillation."""

from __future__ import annotations

from paretune.spaces.params import Params as Base


class NoDistillation:
    """Learns from the labels alone."""

    class Params(Base):
        """No options."""
