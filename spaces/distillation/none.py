"""No distillation."""

from __future__ import annotations

from paretune.spaces.params import Params as BaseParams


class NoDistillation:
    """Learns from the labels alone."""

    class Params(BaseParams):
        """No options."""
