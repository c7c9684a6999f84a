"""The bottleneck of the baseline: the layer that takes most of its time."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from paretune.search.errors import UserError

if TYPE_CHECKING:
    from paretune.search.locate import StudyLocation
    from paretune.search.profiling.profile import Profile

NUMBERS = {"latency": {"seconds": 0.3, "references": False}}
"""What the profile measures; the study has measured the rest."""


def baseline_bottleneck(location: StudyLocation, batch: int) -> str | None:
    """Profiles the baseline of a study, and returns its bottleneck in words.

    Args:
        location: A study whose baseline is measured.
        batch: Inputs per run.

    Returns:
        None if the network cannot be profiled on this machine.
    """
    from paretune.search.profiling.profiler import profile_network
    from paretune.search.profiling.trial_network import trial_network

    with tempfile.TemporaryDirectory(prefix="paretune-") as folder:
        try:
            with trial_network(location, "baseline", None, None, Path(folder)) as network:
                profile = profile_network(network, batch, None, NUMBERS, brief=True)
                return bottleneck_text(profile)
        except UserError:  # its runtime has no profiler, for example: the search needs none
            return None


def bottleneck_text(profile: Profile) -> str | None:
    """Returns `its layer conv2 (Conv2d) takes 61 % of the time`; None if no layer takes any."""
    rows = [row for row in profile.rows if row.layer.path and row.shares["time"] > 0]
    if not rows:
        return None
    slowest = rows[0]
    share = f"{100 * slowest.shares['time']:.0f} %"
    return f"its layer {slowest.layer.path} ({slowest.layer.kind}) takes {share} of the time"
