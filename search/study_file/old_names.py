"""Keys and names of a study file that were renamed, so that a mistake names the new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_THOMPSON_OPTIONS = {
    "startup": "startup_trials",
    "ranks": "rank_transform",
    "counts": "label_counts",
    "model": "surrogate",
    "draw": "acquisition",
}

NEW_NAMES: Mapping[tuple[str, ...], str] = {
    ("search", "siblings"): "format_variants",
    ("search", "structures"): "reuse_timings",
    ("search", "sampler", "forest"): "thompson",
    ("search", "sampler", "evolve"): "evolution",
    ("search", "sampler", "auto", "thrift"): "cost_aware",
    ("search", "sampler", "auto", "forest"): "thompson",
    ("search", "sampler", "auto", "model"): "surrogate",
    **{("search", "sampler", "thompson", old): new for old, new in _THOMPSON_OPTIONS.items()},
}
"""Path of the old key -> the last step of its path today; the steps before it are today's."""


def suggestion(key: tuple[str, ...], names: Sequence[str]) -> str:
    """Returns `; did you mean "x"?` for an unknown key or name, or an empty string.

    Args:
        key: Its path. x is its new name, if it was renamed, or else the nearest of `names`.
        names: The names that are possible there.
    """
    from paretune.spaces.table import did_you_mean  # imports pydantic, which takes long

    new_name = NEW_NAMES.get(key)
    return did_you_mean(new_name or key[-1], list(names))
