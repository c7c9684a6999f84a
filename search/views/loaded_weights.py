"""What was done to load a network's first weights from a checkpoint, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paretune.search.study.records import TrialRecord


def loaded_weights(artifact: Mapping[str, Any] | None) -> str:
    """Returns the notes of an artifact as one sentence; "" if the file was loaded as it is.

    Args:
        artifact: As the database stores it; None if a trial has none.
    """
    info = (artifact or {}).get("info") or {}
    return "; ".join(info.get("weights") or ())


def loaded_weights_of(trial: TrialRecord) -> str:
    """Returns the same for a trial, whose artifacts on all targets have the same weights."""
    return loaded_weights(trial.artifact or next(iter(trial.artifacts.values()), None))
