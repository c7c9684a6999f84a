"""The first step of a run: a quick preflight of a study that has no baseline yet."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.engine import make_url

from paretune.search.changing.preview import brings_new_parts
from paretune.search.database.store import existing_store
from paretune.search.preflight.preflight import PreflightInfo, loaded, preflight
from paretune.search.study_file.problems import Key
from paretune.search.trial.resume_check import refuse_changes

if TYPE_CHECKING:
    from paretune.search.data.dataset import Dataset
    from paretune.search.study.spec import StudySpec

STAGES = "stages"
"""Folder of the stage cache; the export probe's results stay there for the trials."""


def first_step(
    spec: StudySpec, where: Callable[[Key], str]
) -> tuple[Dataset, PreflightInfo] | None:
    """Checks a study before its first trial.

    Args:
        spec: The study.
        where: Returns the file and line of a key.

    Returns:
        The loaded data and the result; None for a study that was checked by an earlier run and
        has no new parts since, or one with the user's own trainer.

    Raises:
        StudyFileError: The study has mistakes that a run would stumble over.
    """
    if spec.trainer is not None or not _writable(spec.folder):
        return None
    if has_baseline(spec) and not brings_new_parts(spec):
        return None
    data = loaded(spec, where)
    info = preflight(spec, data, spec.folder / STAGES)
    info.raise_mistakes(where)
    return data, info


def _writable(folder: Path) -> bool:
    """Returns whether the study's folder can be made; the run itself says why not."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def has_baseline(spec: StudySpec) -> bool:
    """Returns whether an earlier run measured the baseline, or its database needs a look first.

    The run itself says what is wrong with a database, or with a study file that changed.
    """
    url = make_url(spec.storage)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        return False
    try:
        with existing_store(spec.storage) as store:
            stored = store.study()
            if stored is None:
                return False
            refuse_changes(stored["identity"], spec)
            baseline = store.trial(0)
    except Exception:
        return True
    return baseline is not None and baseline.state == "complete"
