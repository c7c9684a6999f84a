"""A small study that runs for real, and what its file and its database contain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paretune.search.database.store import existing_store
from paretune.search.study.records import StudyRecord
from paretune.search.study_file.loading import load_study
from paretune.search.study_file.problems import StudyFileError

TINY = """\
study: tiny
data: digits
baseline:
  architecture: {simple_cnn: {width: 0.25}}
  pretrain: {optimizer: {adam: {lr: 2e-3}}, epochs: 1, batch_size: 64}
space:
  architecture: {simple_cnn: {width: {choice: [0.0625, 0.125]}}}
  pruning: {choice: {none: {}, structured: {ratio: {float: [0.1, 0.5]}}}}
  quantization: {choice: [none, dynamic]}
  finetune:
    {epochs: 1, batch_size: 64, optimizer: {adam: {lr: {float: [1e-3, 1e-2], log: true}}}}
objectives: {accuracy: maximize, latency: {minimize: p50, seconds: 0.1}, size: minimize}
goals: ["size <= 0.2 x baseline"]
search: {trials: 6, seed: 1, format_variants: false}
"""
"""A study file whose run takes seconds."""


def database_of(file: Path) -> Path:
    """The SQLite file in the folder of a study file."""
    return file.with_suffix("") / "study.db"


def url_of(file: Path) -> str:
    """The storage URL of a study file's database."""
    return f"sqlite:///{database_of(file)}"


def record_of(file: Path) -> StudyRecord:
    """The record in the database of a study file."""
    with existing_store(url_of(file)) as store:
        return store.record()


def problems(file: Path, *overrides: str, **options: Any) -> list[str]:
    """The problems for which a study file is refused, one text each."""
    with pytest.raises(StudyFileError) as error:
        load_study(file, overrides, **options)
    assert str(error.value) == "\n".join(error.value.problems)
    return list(error.value.problems)
