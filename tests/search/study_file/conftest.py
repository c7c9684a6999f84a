"""The study files that the tests of sections change."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.study_texts import SMALL, TAUGHT, TRAINER, TWO_TARGETS


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The study file SMALL."""
    file = tmp_path / "small.yaml"
    file.write_text(SMALL, encoding="utf-8")
    return file


@pytest.fixture
def teacher_study(tmp_path: Path) -> Path:
    """The study file TAUGHT, with the checkpoint that it names."""
    (tmp_path / "weights.safetensors").write_bytes(b"")
    file = tmp_path / "taught.yaml"
    file.write_text(TAUGHT, encoding="utf-8")
    return file


@pytest.fixture
def two_targets(tmp_path: Path) -> Path:
    """The study file TWO_TARGETS."""
    file = tmp_path / "two.yaml"
    file.write_text(TWO_TARGETS, encoding="utf-8")
    return file


@pytest.fixture
def trainer(tmp_path: Path) -> Path:
    """The study file TRAINER; its module `my_trainer` exists, and fails if it is imported."""
    (tmp_path / "my_trainer.py").write_text("raise AssertionError", encoding="utf-8")
    file = tmp_path / "trainer.yaml"
    file.write_text(TRAINER.replace("MODULE", "my_trainer"), encoding="utf-8")
    return file
