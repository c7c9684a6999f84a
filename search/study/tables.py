"""The tables of objectives and runtimes, and the names of the samplers."""

from __future__ import annotations

from paretune.objectives import OBJECTIVES as OBJECTIVE_ENTRIES
from paretune.objectives import SCORE, TASK_SCORE
from paretune.objectives.runtimes import RUNTIMES as RUNTIME_ENTRIES
from paretune.spaces.table import Table

OBJECTIVES = Table("objective", OBJECTIVE_ENTRIES, {SCORE: TASK_SCORE})
RUNTIMES = Table("runtime", RUNTIME_ENTRIES)

SAMPLER_NAMES = (
    "auto",
    "thompson",
    "evolution",
    "tpe",
    "nsga2",
    "nsga3",
    "gp",
    "random",
    "grid",
    "qmc",
)
"""The keys of `search.sampling.samplers.SAMPLERS`; here, so that `check` does not import Optuna."""
