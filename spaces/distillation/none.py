"""No distillation."""

from __future__ import annotations

from spaces.params import Params


class NoDistillation:
    """Learns from the labels alone."""

    class Params(Params):
        """No options."""
